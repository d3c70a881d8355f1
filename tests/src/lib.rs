//! What the suites share: harnesses for real processes, and the bodies of the fuzz targets.
//!
//! The suites themselves lie in `suites/`, the fuzz targets that call the bodies in `fuzz/`.
