//! The limit of the journal: records of 1 KiB written into a zero-filled file and synced, nothing else.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use rustix::fs::fdatasync;

const RECORD: usize = 1024;
const FILE: usize = 64 * 1024 * 1024;

/// Writes batches of 1 and of 64 records, alternating, and prints the median and p99 of each in microseconds.
///
/// # Errors
/// The file system's.
pub(crate) fn raw_log(folder: &Path, lasting: Duration) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    let path = folder.join("raw-log");
    let file = File::options().create(true).truncate(true).write(true).open(&path)?;
    let zeros = vec![0; 1024 * 1024];
    for part in 0..FILE / zeros.len() {
        file.write_all_at(&zeros, (part * zeros.len()) as u64)?;
    }
    file.sync_all()?;
    let data = vec![0x5a; 64 * RECORD];
    let (mut one, mut many) = (Vec::new(), Vec::new());
    let begin = Instant::now();
    let mut at = 0;
    while begin.elapsed() < lasting {
        for (batch, times) in [(1, &mut one), (64, &mut many)] {
            let bytes = data.get(..batch * RECORD).unwrap_or_default();
            if at + bytes.len() > FILE {
                at = 0;
            }
            let start = Instant::now();
            file.write_all_at(bytes, at as u64)?;
            fdatasync(&file)?;
            times.push(start.elapsed().as_nanos() as u64);
            at += bytes.len();
        }
    }
    std::fs::remove_file(path)?;
    let place = |times: &mut Vec<u64>, per_mille: usize| {
        times.sort_unstable();
        times
            .get((times.len() * per_mille / 1000).min(times.len().saturating_sub(1)))
            .map_or(0.0, |ns| *ns as f64 / 1e3)
    };
    let result = serde_json::json!({
        "f1": place(&mut one, 500), "f1_p99": place(&mut one, 990),
        "f64": place(&mut many, 500), "f64_p99": place(&mut many, 990),
    });
    writeln!(std::io::stdout(), "{result}")?;
    Ok(())
}
