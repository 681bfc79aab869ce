//! CPU time of a process by thread, from the scheduler's own statistics (nanoseconds, not ticks).

use std::collections::BTreeMap;
use std::fs;

/// One reading.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cpu(BTreeMap<u32, (String, u64)>);

impl Cpu {
    /// Reads all threads of a process. A process that is gone has none.
    pub(crate) fn of(pid: u32) -> Self {
        let mut threads = BTreeMap::new();
        for entry in fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten() {
            let path = entry.path();
            let tid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let spent = fs::read_to_string(path.join("schedstat"))
                .ok()
                .and_then(|text| text.split(' ').next().and_then(|first| first.parse::<u64>().ok()));
            if let (Some(tid), Some(spent)) = (tid, spent) {
                let name = fs::read_to_string(path.join("comm")).unwrap_or_default();
                threads.insert(tid, (name.trim().to_owned(), spent));
            }
        }
        Self(threads)
    }

    /// Of a process and its descendants.
    pub(crate) fn of_tree(pid: u32) -> Self {
        let mut all = Self::of(pid);
        for child in children(pid) {
            all.0.extend(Self::of_tree(child).0);
        }
        all
    }

    /// Of all threads.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().map(|(_, spent)| spent).sum()
    }

    /// Of threads whose name passes.
    pub(crate) fn named(&self, pass: impl Fn(&str) -> bool) -> u64 {
        self.0.values().filter(|(name, _)| pass(name)).map(|(_, spent)| spent).sum()
    }

    /// What was spent since an earlier reading.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let spent =
            |tid: &u32, now: u64| now - earlier.0.get(tid).map_or(0, |(_, before)| (*before).min(now));
        Self(self.0.iter().map(|(tid, (name, now))| (*tid, (name.clone(), spent(tid, *now)))).collect())
    }

    /// By thread name with its number cut off, most expensive first.
    pub(crate) fn by_name(&self) -> Vec<(String, u64)> {
        let mut names: BTreeMap<String, u64> = BTreeMap::new();
        for (name, spent) in self.0.values() {
            let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit()).trim_end_matches('-');
            *names.entry(name.to_owned()).or_default() += spent;
        }
        let mut list: Vec<_> = names.into_iter().collect();
        list.sort_by_key(|(_, spent)| std::cmp::Reverse(*spent));
        list
    }
}

fn children(pid: u32) -> Vec<u32> {
    fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))
        .unwrap_or_default()
        .split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// Resident memory of a process in KiB, and its peak; 0 when it is gone.
pub(crate) fn resident_kib(pid: u32) -> (u64, u64) {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name))
            .and_then(|rest| rest.split_ascii_whitespace().next())
            .and_then(|word| word.parse().ok())
            .unwrap_or(0)
    };
    (field("VmRSS:"), field("VmHWM:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_work_is_seen() {
        let before = Cpu::of(std::process::id());
        let start = std::time::Instant::now();
        let mut sum = 0_u64;
        while start.elapsed().as_millis() < 60 {
            sum = std::hint::black_box(sum.wrapping_add(1));
        }
        let spent = Cpu::of(std::process::id()).since(&before).total();
        assert!(spent > 5_000_000, "{spent} ns for 60 ms of spinning");
        assert!(resident_kib(std::process::id()).0 > 100);
    }
}
