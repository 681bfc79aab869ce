//! What a disk has really kept: the other half of `tests/powercut/powercut.c`.
//!
//! [`Medium::begin`] takes the state of a folder as kept; a process that runs with [`Medium::environment`] then
//! tells what it syncs; [`Medium::cut`] turns the folder into what a power cut would have left. Between what was
//! kept and what was written last, a real disk may have any of the pages: a seed chooses.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// What becomes of writes that no sync covered.
#[derive(Clone, Copy, Debug)]
pub(super) enum Unsynced {
    /// All of them are lost.
    Lost,
    /// Each page, size and folder is old or new, by a generator with this seed: torn and reordered writes.
    Mixed(u64),
}

const PAGE: usize = 4096;

/// A folder whose unsynced writes can be taken back.
#[derive(Debug)]
pub(super) struct Medium {
    root: PathBuf,
    shadow: PathBuf,
}

impl Medium {
    /// `root` is the folder; beside it a folder `medium` is used.
    pub(super) fn of(root: &Path) -> Self {
        let shadow = root.parent().unwrap().join("medium");
        Self { root: root.to_owned(), shadow }
    }

    /// Takes everything that is there as kept.
    pub(super) fn begin(&self) {
        if self.shadow.exists() {
            fs::remove_dir_all(&self.shadow).unwrap();
        }
        fs::create_dir_all(&self.root).unwrap();
        for part in ["pin", "ino", "dir"] {
            fs::create_dir_all(self.shadow.join(part)).unwrap();
        }
        self.keep_folder(&self.root);
    }

    fn keep_folder(&self, folder: &Path) {
        let mut list = String::new();
        for entry in fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let facts = entry.metadata().unwrap();
            let (path, name) = (entry.path(), entry.file_name());
            let kind = if facts.is_dir() { 'd' } else { 'f' };
            list.push_str(&format!("{kind} {} {}\n", facts.ino(), name.to_str().unwrap()));
            if facts.is_dir() {
                self.keep_folder(&path);
            } else {
                fs::hard_link(&path, self.shadow.join("pin").join(facts.ino().to_string())).unwrap();
                copy_sparse(&path, &self.shadow.join("ino").join(facts.ino().to_string()));
            }
        }
        let inode = fs::metadata(folder).unwrap().ino().to_string();
        fs::write(self.shadow.join("dir").join(inode), list).unwrap();
    }

    /// What the process needs. `lie`: its syncs are not kept.
    pub(super) fn environment(&self, lie: bool) -> Vec<(String, String)> {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        vec![
            ("LD_PRELOAD".into(), text(library())),
            ("POWERCUT_ROOT".into(), text(&self.root)),
            ("POWERCUT_SHADOW".into(), text(&self.shadow)),
            ("POWERCUT_LIE".into(), if lie { "1" } else { "0" }.into()),
        ]
    }

    /// The process is dead: makes the folder what the disk has.
    pub(super) fn cut(&self, unsynced: Unsynced) {
        let mut choice = Choice::new(unsynced);
        let built = self.root.with_extension("built");
        let inode = fs::metadata(&self.root).unwrap().ino();
        self.build(inode, Some(&self.root), &built, &mut choice);
        fs::remove_dir_all(&self.root).unwrap();
        fs::remove_dir_all(&self.shadow).unwrap();
        fs::rename(&built, &self.root).unwrap();
    }

    fn build(&self, inode: u64, live: Option<&Path>, to: &Path, choice: &mut Choice) {
        fs::create_dir_all(to).unwrap();
        let mut entries = self.listed(inode);
        if let Some(live) = live
            && choice.takes_new()
        {
            entries = listed_now(live);
        }
        for (name, (kind, inode)) in entries {
            let now = live.map(|live| live.join(&name)).filter(|path| fs::metadata(path).is_ok_and(|it| it.ino() == inode));
            match kind {
                'd' => self.build(inode, now.as_deref(), &to.join(&name), choice),
                _ => self.build_file(inode, &to.join(&name), choice),
            }
        }
    }

    fn listed(&self, inode: u64) -> BTreeMap<String, (char, u64)> {
        let list = fs::read_to_string(self.shadow.join("dir").join(inode.to_string())).unwrap_or_default();
        let line = |line: &str| {
            let (kind, rest) = line.split_once(' ')?;
            let (inode, name) = rest.split_once(' ')?;
            Some((name.to_owned(), (kind.chars().next()?, inode.parse().ok()?)))
        };
        list.lines().filter_map(line).collect()
    }

    fn build_file(&self, inode: u64, to: &Path, choice: &mut Choice) {
        let kept = self.shadow.join("ino").join(inode.to_string());
        if !kept.exists() {
            // Made by a call that the library does not see; nothing of it was ever synced.
            fs::write(to, b"").unwrap();
            return;
        }
        copy_sparse(&kept, to);
        if let (Choice::Mixed(_), Ok(newest)) = (&*choice, fs::read(self.shadow.join("pin").join(inode.to_string()))) {
            let old = fs::read(&kept).unwrap();
            let file = fs::File::options().write(true).open(to).unwrap();
            let size = if choice.takes_new() { newest.len() } else { old.len() };
            for (index, page) in newest.chunks(PAGE).enumerate() {
                let at = index * PAGE;
                if at < size && old.get(at..at + page.len()) != Some(page) && choice.takes_new() {
                    file.write_all_at(page, at as u64).unwrap();
                }
            }
            file.set_len(size as u64).unwrap();
        }
    }
}

fn listed_now(folder: &Path) -> BTreeMap<String, (char, u64)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let facts = entry.metadata().unwrap();
        let kind = if facts.is_dir() { 'd' } else { 'f' };
        (entry.file_name().into_string().unwrap(), (kind, facts.ino()))
    });
    entries.collect()
}

/// Copies a file, leaving holes where it has zeros: log segments are mostly that.
fn copy_sparse(from: &Path, to: &Path) {
    let bytes = fs::read(from).unwrap();
    let file = fs::File::create(to).unwrap();
    file.set_len(bytes.len() as u64).unwrap();
    for (index, block) in bytes.chunks(64 * 1024).enumerate() {
        if block.iter().any(|byte| *byte != 0) {
            file.write_all_at(block, (index * 64 * 1024) as u64).unwrap();
        }
    }
}

enum Choice {
    Old,
    /// State of a xorshift generator.
    Mixed(u64),
}

impl Choice {
    fn new(unsynced: Unsynced) -> Self {
        match unsynced {
            Unsynced::Lost => Self::Old,
            Unsynced::Mixed(seed) => Self::Mixed(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
        }
    }

    fn takes_new(&mut self) -> bool {
        match self {
            Self::Old => false,
            Self::Mixed(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state & 1 == 1
            }
        }
    }
}

/// The folder of the C sources.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("powercut")
}

/// The library, built once per run of the tests.
fn library() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| compile("powercut.c", "powercut.so", &["-shared", "-fPIC", "-ldl", "-lpthread"]))
}

/// The program that syncs or does not, as it is told.
pub(super) fn writer() -> PathBuf {
    compile("writer.c", "powercut-writer", &[])
}

fn compile(source: &str, name: &str, flags: &[&str]) -> PathBuf {
    let to = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let unfinished = to.with_extension(format!("{}.new", std::process::id()));
    let built = Command::new("cc")
        .args(["-O2", "-Wall", "-Wextra", "-Werror", "-o"])
        .arg(&unfinished)
        .arg(sources().join(source))
        .args(flags)
        .output()
        .expect("a C compiler named cc");
    assert!(built.status.success(), "cc {source}: {}", String::from_utf8_lossy(&built.stderr));
    fs::rename(&unfinished, &to).unwrap();
    to
}
