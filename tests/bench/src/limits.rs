//! Physical limits of this machine: what no program here can beat by much.

use std::{
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use jurat_crypto::SigningKey;

/// How long a limit is measured.
const SPAN: Duration = Duration::from_secs(2);

pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Signature checks a second, one by one, on all cores together.
pub fn signature_checks_per_second() -> f64 {
    let threads: Vec<_> = (0..cores())
        .map(|i| {
            thread::spawn(move || {
                let key = SigningKey::from_seed(&[i.to_le_bytes()[0]; 32]);
                let message = [7; 256];
                let signature = key.sign(&message);
                let key = key.verifying_key();
                let start = Instant::now();
                let mut count = 0_u32;
                while start.elapsed() < SPAN {
                    for _ in 0..100 {
                        assert!(key.verify(&message, &signature).is_ok());
                    }
                    count += 100;
                }
                f64::from(count) / start.elapsed().as_secs_f64()
            })
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum()
}

/// fdatasync calls a second, each after a write of 4 KiB, on the file system of `dir`.
pub fn syncs_per_second(dir: &Path) -> std::io::Result<f64> {
    let file = File::create(dir.join("sync"))?;
    file.write_all_at(&vec![0; 16 << 20], 0)?;
    file.sync_all()?;
    let start = Instant::now();
    let mut count = 0_u32;
    while start.elapsed() < SPAN {
        file.write_all_at(&[1; 4096], u64::from(count % 4096) * 4096)?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}
