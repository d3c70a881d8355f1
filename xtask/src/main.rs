//! The one door to building, testing and measuring: `cargo xtask`.

fn main() {}
