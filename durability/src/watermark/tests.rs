use super::*;
use crate::storage::SimStorage;

const DIR: &str = "/";

fn durable_end(disk: &SimStorage) -> Option<u64> {
    let found = read(disk, Path::new(DIR)).expect("no fault is planned");
    found.expect("a slot is valid").map(|f| f.durable_end.0)
}

fn create(disk: &SimStorage, end: u64) -> Watermark {
    let created = Watermark::open(disk, Path::new(DIR), None, TxOffset(end));
    created.expect("no fault is planned")
}

#[test]
fn remembers_the_last_offset() {
    let disk = SimStorage::new(0);
    assert_eq!(durable_end(&disk), None);
    let mut mark = create(&disk, 3);
    assert_eq!(durable_end(&disk), Some(3));
    for end in 4..20 {
        mark.sync(TxOffset(end)).expect("no fault is planned");
        assert_eq!(durable_end(&disk), Some(end));
    }
    let found = read(&disk, Path::new(DIR)).expect("good").expect("valid");
    let mark = Watermark::open(&disk, Path::new(DIR), found, TxOffset(30)).expect("good");
    assert_eq!(mark.synced_end(), TxOffset(30));
    assert_eq!(durable_end(&disk), Some(30));
}

#[test]
fn a_flipped_bit_falls_back_to_the_other_slot() {
    let disk = SimStorage::new(0);
    let mut mark = create(&disk, 3);
    mark.sync(TxOffset(9)).expect("no fault is planned");
    let path = Path::new(DIR).join(WATERMARK_FILE);
    for bit in 0..8 * 2 * SLOT_LEN {
        let copy = disk.fork(0);
        copy.damage(&path, |bytes| bytes[bit / 8] ^= 1 << (bit % 8));
        let newer_slot_hit = bit / 8 < SLOT_LEN;
        let expected = if newer_slot_hit { 3 } else { 9 };
        assert_eq!(durable_end(&copy), Some(expected), "bit {bit}");
    }
}

#[test]
fn a_file_without_a_valid_slot_is_damage() {
    for len in [0, 1, 511, 512, 1024] {
        let disk = SimStorage::new(0);
        create(&disk, 3);
        let path = Path::new(DIR).join(WATERMARK_FILE);
        disk.damage(&path, |bytes| *bytes = vec![0; len]);
        let found = read(&disk, Path::new(DIR)).expect("no fault is planned");
        assert_eq!(found, Err(DamagedWatermark { file: path }));
    }
}

#[test]
fn what_was_noted_is_there_for_the_next_process_and_synced_by_it() {
    let disk = SimStorage::new(0);
    let mut mark = create(&disk, 3);
    mark.sync(TxOffset(5)).expect("no fault is planned");
    for end in 6..20 {
        mark.note(TxOffset(end)).expect("no fault is planned");
        assert_eq!(durable_end(&disk), Some(end));
        assert_eq!(mark.synced_end(), TxOffset(5));
    }
    let disk = disk.after_restart();
    let found = read(&disk, Path::new(DIR)).expect("good").expect("valid");
    let mut mark = Watermark::open(&disk, Path::new(DIR), found, TxOffset(19)).expect("good");
    mark.note(TxOffset(20)).expect("no fault is planned");
    for seed in 0..100 {
        let end = durable_end(&disk.fork(seed).after_power_cut());
        assert!(matches!(end, Some(19 | 20)), "seed {seed}: {end:?}");
    }
}

#[test]
fn a_power_cut_leaves_what_was_synced_or_what_was_noted_since() {
    for seed in 0..500 {
        let disk = SimStorage::new(seed);
        let mut mark = create(&disk, 0);
        disk.cut_power_before_change(seed % 40);
        let (mut end, mut synced) = (0, 0);
        loop {
            end += 1;
            let written = match end % 4 {
                0 => mark.sync(TxOffset(end)),
                _ => mark.note(TxOffset(end)),
            };
            if written.is_err() {
                break;
            }
            synced = mark.synced_end().0;
        }
        let found = durable_end(&disk.after_power_cut()).expect("created and synced");
        assert!((synced..=end).contains(&found), "seed {seed}: {found}");
    }
}

#[test]
fn a_power_cut_never_leaves_more_than_the_truth_nor_less_than_was_synced() {
    for seed in 0..500 {
        let disk = SimStorage::new(seed);
        let mut mark = create(&disk, 0);
        disk.cut_power_before_change(seed % 20);
        let mut synced = 0;
        while mark.sync(TxOffset(synced + 1)).is_ok() {
            synced += 1;
        }
        let found = durable_end(&disk.after_power_cut()).expect("created and synced");
        assert!((synced..=synced + 1).contains(&found), "seed {seed}");
    }
}
