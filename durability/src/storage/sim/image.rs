//! The content of the simulated disk: what programs see, what is on the platter, and what is
//! pending in between.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use super::SimCounts;

const SECTOR_BYTES: u64 = 512;

/// Index of a file's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FileId(usize);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Node {
    File(FileId),
    Dir,
}

#[derive(Clone, Debug)]
enum EntryChange {
    Add(String, Node),
    Remove(String),
    /// From, to. Applied as a whole or not at all.
    Rename(String, String, FileId),
}

#[derive(Clone, Debug, Default)]
struct Dir {
    live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    pending: Vec<EntryChange>,
}

#[derive(Clone, Debug)]
enum ContentChange {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

#[derive(Clone, Debug, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<ContentChange>,
}

#[derive(Clone, Debug)]
pub(super) struct Image {
    random: Random,
    dirs: BTreeMap<PathBuf, Dir>,
    contents: Vec<Content>,
}

/// SplitMix64.
#[derive(Clone, Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// True in `percent` of 100 cases.
    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }
}

fn index(number: u64) -> usize {
    usize::try_from(number).expect("simulated files are small")
}

fn write_into(content: &mut Vec<u8>, offset: u64, bytes: &[u8]) {
    let begin = index(offset);
    let end = begin + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[begin..end].copy_from_slice(bytes);
}

fn split(path: &Path) -> io::Result<(PathBuf, String)> {
    let parent = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let name = name.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    Ok((parent.to_owned(), name.to_owned()))
}

impl Image {
    pub(super) fn new(seed: u64) -> Self {
        Image {
            random: Random(seed),
            dirs: BTreeMap::from([(PathBuf::from("/"), Dir::default())]),
            contents: Vec::new(),
        }
    }

    pub(super) fn fork(&self, seed: u64) -> Self {
        let mut fork = self.clone();
        fork.random = Random(seed);
        for dir in fork.dirs.values_mut() {
            dir.durable = dir.live.clone();
            dir.pending.clear();
        }
        for content in &mut fork.contents {
            content.durable = content.live.clone();
            content.pending.clear();
        }
        fork
    }

    pub(super) fn reseed(&mut self, seed: u64) {
        self.random = Random(seed);
    }

    fn node(&self, path: &Path) -> Option<Node> {
        let (parent, name) = split(path).ok()?;
        self.dirs.get(&parent)?.live.get(&name).copied()
    }

    pub(super) fn file_id(&self, path: &Path) -> Option<FileId> {
        match self.node(path)? {
            Node::File(id) => Some(id),
            Node::Dir => None,
        }
    }

    fn dir_mut(&mut self, dir: &Path) -> io::Result<&mut Dir> {
        let found = self.dirs.get_mut(dir);
        found.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn add(&mut self, path: &Path, node: Node) -> io::Result<()> {
        let (parent, name) = split(path)?;
        let dir = self.dir_mut(&parent)?;
        dir.live.insert(name.clone(), node);
        dir.pending.push(EntryChange::Add(name, node));
        Ok(())
    }

    pub(super) fn create_file(&mut self, path: &Path) -> io::Result<FileId> {
        let id = FileId(self.contents.len());
        self.add(path, Node::File(id))?;
        self.contents.push(Content::default());
        Ok(id)
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        match self.node(path) {
            Some(Node::Dir) => return Ok(()),
            Some(Node::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            None => {}
        }
        if self.dirs.contains_key(path) {
            return Ok(());
        }
        self.add(path, Node::Dir)?;
        self.dirs.insert(path.to_owned(), Dir::default());
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let id = self.file_id(from).ok_or(io::ErrorKind::NotFound)?;
        let (dir, from) = split(from)?;
        let (to_dir, to) = split(to)?;
        if dir != to_dir {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let dir = self.dir_mut(&dir)?;
        dir.live.remove(&from);
        dir.live.insert(to.clone(), Node::File(id));
        dir.pending.push(EntryChange::Rename(from, to, id));
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.file_id(path).ok_or(io::ErrorKind::NotFound)?;
        let (dir, name) = split(path)?;
        let dir = self.dir_mut(&dir)?;
        dir.live.remove(&name);
        dir.pending.push(EntryChange::Remove(name));
        Ok(())
    }

    pub(super) fn list(&self, dir: &Path) -> Option<Vec<String>> {
        Some(self.dirs.get(dir)?.live.keys().cloned().collect())
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) {
        if let Some(dir) = self.dirs.get_mut(dir) {
            dir.durable = dir.live.clone();
            dir.pending.clear();
        }
    }

    pub(super) fn read(&self, id: FileId, offset: u64, buf: &mut [u8]) -> usize {
        let live = &self.contents[id.0].live;
        let begin = index(offset).min(live.len());
        let len = buf.len().min(live.len() - begin);
        buf[..len].copy_from_slice(&live[begin..begin + len]);
        len
    }

    pub(super) fn byte_len(&self, id: FileId) -> u64 {
        self.contents[id.0].live.len() as u64
    }

    pub(super) fn write(&mut self, id: FileId, offset: u64, bytes: &[u8]) {
        let content = &mut self.contents[id.0];
        write_into(&mut content.live, offset, bytes);
        let bytes = bytes.to_vec();
        content.pending.push(ContentChange::Write { offset, bytes });
    }

    pub(super) fn set_len(&mut self, id: FileId, len: u64) {
        let content = &mut self.contents[id.0];
        content.live.resize(index(len), 0);
        content.pending.push(ContentChange::SetLen(len));
    }

    pub(super) fn sync_file(&mut self, id: FileId) {
        let content = &mut self.contents[id.0];
        for change in std::mem::take(&mut content.pending) {
            match change {
                ContentChange::Write { offset, bytes } => {
                    write_into(&mut content.durable, offset, &bytes);
                }
                ContentChange::SetLen(len) => content.durable.resize(index(len), 0),
            }
        }
    }

    /// A failed sync forgets some pending changes, which no later sync will write.
    pub(super) fn fail_sync(&mut self, id: FileId) {
        let random = &mut self.random;
        let pending = &mut self.contents[id.0].pending;
        pending.retain(|_| random.chance(50));
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        for (path, dir) in &self.dirs {
            for (name, node) in &dir.live {
                if matches!(node, Node::File(_)) {
                    files.push(path.join(name));
                }
            }
        }
        files.sort();
        files
    }

    pub(super) fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let id = self.file_id(path)?;
        Some(self.contents[id.0].live.clone())
    }

    pub(super) fn synced_content(&self, path: &Path) -> Option<Vec<u8>> {
        let id = self.file_id(path)?;
        Some(self.contents[id.0].durable.clone())
    }

    pub(super) fn damage(&mut self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> bool {
        let Some(id) = self.file_id(path) else {
            return false;
        };
        let content = &mut self.contents[id.0];
        change(&mut content.live);
        content.durable = content.live.clone();
        content.pending.clear();
        true
    }

    pub(super) fn lose(&mut self, path: &Path) -> bool {
        let Ok((dir, name)) = split(path) else {
            return false;
        };
        let Some(dir) = self.dirs.get_mut(&dir) else {
            return false;
        };
        dir.durable.remove(&name);
        dir.live.remove(&name).is_some()
    }

    /// What is on the platter when the power goes: any subset of what is pending was written.
    pub(super) fn after_power_cut(&mut self, counts: &mut SimCounts) -> Image {
        // All or nothing are as likely as everything in between: bugs live there as well.
        let percent = [0, 20, 50, 80, 100][index(self.random.next() % 5)];
        let random = &mut self.random;
        let mut contents = Vec::new();
        for content in &self.contents {
            let kept = content.after_power_cut(percent, random, counts);
            contents.push(Content {
                live: kept.clone(),
                durable: kept,
                pending: Vec::new(),
            });
        }
        let mut dirs = BTreeMap::new();
        // Parents come before their children in this order.
        for (path, dir) in &self.dirs {
            let parent_has_it = match split(path) {
                Err(_) => true,
                Ok((parent, name)) => {
                    let parent: Option<&Dir> = dirs.get(&parent);
                    parent.is_some_and(|parent| parent.live.contains_key(&name))
                }
            };
            if parent_has_it {
                dirs.insert(path.clone(), dir.after_power_cut(percent, random, counts));
            }
        }
        Image {
            random: Random(random.next()),
            dirs,
            contents,
        }
    }
}

impl Dir {
    fn after_power_cut(&self, percent: u64, random: &mut Random, counts: &mut SimCounts) -> Dir {
        let mut entries = self.durable.clone();
        for change in &self.pending {
            if !random.chance(percent) {
                counts.entries_lost += 1;
                continue;
            }
            match change {
                EntryChange::Add(name, node) => drop(entries.insert(name.clone(), *node)),
                EntryChange::Remove(name) => drop(entries.remove(name)),
                EntryChange::Rename(from, to, id) => {
                    entries.remove(from);
                    entries.insert(to.clone(), Node::File(*id));
                }
            }
        }
        Dir {
            live: entries.clone(),
            durable: entries,
            pending: Vec::new(),
        }
    }
}

impl Content {
    fn after_power_cut(
        &self,
        percent: u64,
        random: &mut Random,
        counts: &mut SimCounts,
    ) -> Vec<u8> {
        let mut kept = self.durable.clone();
        for change in &self.pending {
            match change {
                ContentChange::SetLen(len) => {
                    if random.chance(percent) {
                        kept.resize(index(*len), 0);
                    } else {
                        counts.lengths_lost += 1;
                    }
                }
                ContentChange::Write { offset, bytes } => {
                    let end = offset + bytes.len() as u64;
                    let mut at = *offset;
                    while at < end {
                        let sector_end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
                        let piece_end = sector_end.min(end);
                        if random.chance(percent) {
                            let piece = index(at - offset)..index(piece_end - offset);
                            write_into(&mut kept, at, &bytes[piece]);
                        } else {
                            counts.sectors_lost += 1;
                        }
                        at = piece_end;
                    }
                    // The length can be on the platter without the data.
                    if kept.len() < index(end) {
                        if random.chance(percent) {
                            kept.resize(index(end), 0);
                        } else {
                            counts.lengths_lost += 1;
                        }
                    }
                }
            }
        }
        kept
    }
}
