//! Fuzzes `exchange` in `jurat_tests::fuzzing::TARGETS`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| jurat_tests::fuzzing::run("exchange", input));
