//! Fuzzes `gate_package` in `jurat_tests::fuzzing::TARGETS`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| jurat_tests::fuzzing::run("gate_package", input));
