#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

// Kernels and firmware are compiled without vectors, whatever the processor has.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod avx2;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod avx512;
mod groups;
mod lanes;
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
mod rounds;
mod state;

pub use lanes::Lanes;
pub use state::Block;
