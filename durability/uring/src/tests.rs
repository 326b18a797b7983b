use super::*;

fn ring() -> Option<Ring> {
    let ring = Ring::new();
    if let Err(error) = &ring {
        eprintln!("no io_uring here: {error}");
    }
    ring.ok()
}

#[test]
fn what_is_written_is_there() {
    let Some(mut ring) = ring() else { return };
    let file = tempfile::tempfile().expect("a temporary file");
    let mut expected = Vec::new();
    for len in [1, 0, 4096, 7, 3 << 20] {
        let bytes: Vec<u8> = (0..len).map(|n: usize| n.to_le_bytes()[0]).collect();
        let done = ring.write_and_sync(&file, expected.len() as u64, &bytes);
        assert_eq!(done.expect("a good disk"), Done::Synced);
        expected.extend_from_slice(&bytes);
    }
    let mut found = vec![0; expected.len()];
    std::os::unix::fs::FileExt::read_exact_at(&file, &mut found, 0).expect("a good disk");
    assert_eq!(found, expected);
}

#[test]
fn a_failed_write_is_a_failed_write_and_the_ring_goes_on() {
    let Some(mut ring) = ring() else { return };
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("file");
    std::fs::write(&path, b"x").expect("a good disk");
    let read_only = File::open(&path).expect("it exists");
    let failed = ring.write_and_sync(&read_only, 0, b"y");
    assert!(matches!(failed, Err(Failed::Write(_))), "{failed:?}");
    let file = File::options().write(true).open(&path).expect("it exists");
    let done = ring.write_and_sync(&file, 0, b"z").expect("a good disk");
    assert_eq!(done, Done::Synced);
    assert_eq!(std::fs::read(&path).expect("a good disk"), b"z");
}

#[test]
fn a_sync_that_fails_is_told_from_a_write() {
    let Some(mut ring) = ring() else { return };
    // A pipe takes bytes and cannot be synced.
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let file = File::from(std::os::fd::OwnedFd::from(writer));
    let failed = ring.write_and_sync(&file, u64::MAX, b"y");
    assert!(matches!(failed, Err(Failed::Sync(_))), "{failed:?}");
}
