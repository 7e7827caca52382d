//! The disk itself.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::thread;

use skerry_store::journal::{File, Files};

use super::*;

fn write(file: &dyn File, offset: u64, bytes: &[u8]) {
    assert_eq!(file.write_at(bytes, offset).unwrap(), bytes.len());
}

/// A disk with one durable file of so many bytes.
fn with_file(bytes: &[u8]) -> (Disk, Box<dyn File>) {
    let disk = Disk::new();
    let file = disk.create("a").unwrap();
    write(&*file, 0, bytes);
    file.sync().unwrap();
    disk.sync_directory().unwrap();
    (disk, file)
}

#[test]
fn only_what_was_synced_survives_a_power_cut() {
    let (disk, file) = with_file(b"safe");
    write(&*file, 4, b" and not");
    assert_eq!(disk.bytes("a"), b"safe and not");
    assert_eq!(disk.cut(Cut::Killed).bytes("a"), b"safe and not");
    assert_eq!(disk.cut(Cut::Dropped).bytes("a"), b"safe");
    assert!(file.sync().is_err() && disk.list().is_err(), "the world has ended");
}

#[test]
fn what_a_killed_process_wrote_is_still_not_durable() {
    let (disk, file) = with_file(b"safe");
    write(&*file, 4, b" and not");
    disk.create("b").unwrap();
    let killed = disk.cut(Cut::Killed);
    assert_eq!(killed.names(), ["a", "b"]);
    let cut = killed.cut(Cut::Dropped);
    assert_eq!((cut.names(), cut.bytes("a")), (vec!["a".to_owned()], b"safe".to_vec()));
    let killed = disk.cut(Cut::Killed);
    killed.open("a").unwrap().sync().unwrap();
    assert_eq!(killed.cut(Cut::Dropped).bytes("a"), b"safe and not", "but the next process can sync it");
}

#[test]
fn names_are_durable_after_a_sync_of_the_directory() {
    let (disk, _file) = with_file(b"a");
    let other = disk.create("b").unwrap();
    write(&*other, 0, b"other");
    other.sync().unwrap();
    assert_eq!(disk.cut(Cut::Dropped).names(), ["a"], "the bytes are there, the name is not");

    let (disk, _file) = with_file(b"a");
    write(&*disk.create("b").unwrap(), 0, b"other");
    disk.rename("b", "a").unwrap();
    disk.create("c").unwrap();
    disk.remove("c").unwrap();
    assert_eq!((disk.names(), disk.bytes("a")), (vec!["a".to_owned()], b"other".to_vec()));
    assert_eq!(disk.cut(Cut::Dropped).bytes("a"), b"a", "the old file is under its name again");

    let (disk, _file) = with_file(b"a");
    disk.remove("a").unwrap();
    assert_eq!(disk.cut(Cut::Dropped).names(), ["a"]);
    let (disk, _file) = with_file(b"a");
    disk.remove("a").unwrap();
    disk.sync_directory().unwrap();
    assert!(disk.cut(Cut::Dropped).names().is_empty());
}

#[test]
fn dice_make_every_mixture_of_sectors_and_lengths() {
    let mut seen = BTreeSet::new();
    for seed in 0..4000 {
        let (disk, file) = with_file(&[1; SECTOR]);
        write(&*file, 0, &[2; SECTOR]);
        write(&*file, SECTOR as u64, &[3; SECTOR]);
        write(&*file, SECTOR as u64, &[4; 2 * SECTOR]);
        let content = disk.cut(Cut::Dice(seed)).bytes("a");
        let sectors: Vec<u8> = content.chunks(SECTOR).map(|sector| sector[0]).collect();
        assert!(content.chunks(SECTOR).all(|sector| sector.iter().all(|byte| *byte == sector[0])));
        seen.insert(sectors);
    }
    let expected = |first: u8, rest: &[u8]| seen.contains(&[&[first], rest].concat());
    for first in [1, 2] {
        for rest in [&[][..], &[3], &[4], &[0], &[0, 0], &[0, 4], &[3, 0], &[3, 4], &[4, 0], &[4, 4]] {
            assert!(expected(first, rest), "{first} {rest:?} never came");
        }
    }
    // What is in a sector came with what was there before it.
    let (disk, file) = with_file(&[]);
    write(&*file, 0, &[1; 100]);
    write(&*file, 100, &[2; 100]);
    let content = disk.cut(Cut::Dice(0)).bytes("a");
    assert!(!content.contains(&2) || content[..100] == [1; 100]);
}

#[test]
fn dice_drop_and_keep_names() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let (disk, _file) = with_file(b"a");
        disk.create("b").unwrap();
        disk.rename("b", "c").unwrap();
        disk.remove("a").unwrap();
        seen.insert(disk.cut(Cut::Dice(seed)).names().join(" "));
    }
    let all = ["", "a", "a b", "a c", "b", "c"];
    assert_eq!(seen, all.map(str::to_owned).into());
}

#[test]
fn a_failed_sync_is_not_made_good_by_the_next() {
    let mut seen = BTreeSet::new();
    for seed in 0..64 {
        let (disk, file) = with_file(b"");
        write(&*file, 0, b"lost");
        disk.plan(move |op| match op.kind {
            OpKind::Sync if op.nth == 1 => Fault::FailSync(seed),
            _ => Fault::None,
        });
        assert!(file.sync().is_err());
        file.sync().unwrap();
        seen.insert((disk.bytes("a"), disk.cut(Cut::Dropped).bytes("a")));
    }
    let (lost, kept) = (vec![0; 4], b"lost".to_vec());
    let expected = [(lost.clone(), lost.clone()), (kept.clone(), lost), (kept.clone(), kept)];
    assert_eq!(seen, expected.into());
}

#[test]
fn a_sync_that_lies_does_nothing_and_is_labelled() {
    let (disk, file) = with_file(b"safe");
    disk.plan(|op| match op.label {
        Some(label) if label.nth == 1 => Fault::Lie,
        _ => Fault::None,
    });
    write(&*file, 4, b" or not");
    file.sync().unwrap();
    disk.create("b").unwrap();
    disk.sync_directory().unwrap();
    let labels = disk.syncs();
    let name = "a".to_owned();
    let label = Label { name, nth: 1, made: true, from: 4, to: 11, writes: 1, ..Label::default() };
    assert_eq!(labels[2], label);
    assert_eq!((labels[3].nth, &labels[3].steps), (1, &vec!["create b".to_owned()]));
    let cut = disk.cut(Cut::Dropped);
    assert_eq!((cut.names(), cut.bytes("a")), (vec!["a".to_owned()], b"safe".to_vec()));
}

#[test]
fn a_slow_sync_covers_what_was_written_before_it() {
    let (disk, file) = with_file(b"");
    disk.plan(|op| if op.kind == OpKind::Sync { Fault::Wait } else { Fault::None });
    write(&*file, 0, b"before");
    thread::scope(|scope| {
        let sync = scope.spawn(|| file.sync());
        while disk.waiting() == 0 {
            thread::yield_now();
        }
        write(&*file, 6, b"after");
        disk.release(1);
        sync.join().unwrap().unwrap();
    });
    assert_eq!(disk.bytes("a"), b"beforeafter");
    assert_eq!(disk.cut(Cut::Dropped).bytes("a"), b"before");
}

#[test]
fn a_full_disk_takes_what_fits_and_no_more() {
    let (disk, file) = with_file(b"12345");
    disk.hold_at_most(Some(8));
    assert_eq!(file.write_at(b"6789", 5).unwrap(), 3, "a short write");
    assert_eq!(file.write_at(b"9", 8).unwrap_err().kind(), ErrorKind::StorageFull);
    write(&*file, 0, b"overwrit");
    disk.remove("a").unwrap();
    assert_eq!(disk.used(), 8, "somebody has it open");
    drop(file);
    assert_eq!(disk.used(), 0);
    write(&*disk.create("b").unwrap(), 0, b"12345678");
}

#[test]
fn the_world_stops_at_a_change_and_reads_fail_from_there() {
    let (disk, file) = with_file(b"x");
    disk.stop_at(disk.changes() + 1);
    write(&*file, 1, b"y");
    assert_eq!(file.read_at(&mut [0; 4], 0).unwrap(), 2, "reads do not count");
    assert!(file.sync().is_err() && disk.is_stopped());
    assert!(file.read_at(&mut [0; 4], 0).is_err());
    assert_eq!(disk.changes(), 4 + 1);
}

#[test]
fn rot_short_operations_and_errors_come_as_planned() {
    let (disk, file) = with_file(b"abc");
    disk.flip("a", 1, 0b11);
    let mut into = [0; 8];
    assert_eq!(file.read_at(&mut into, 0).unwrap(), 3);
    assert_eq!(&into[..3], b"aac");
    disk.plan(|op| match op.kind {
        OpKind::Read if op.offset > 0 => Fault::Fail(EIO),
        OpKind::Write => [Fault::Short(1), Fault::Fail(ENOSPC)][op.nth as usize % 2],
        _ => Fault::None,
    });
    assert_eq!(file.read_at(&mut into, 1).unwrap_err().raw_os_error(), Some(EIO));
    assert_eq!(file.write_at(b"xyz", 0).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.write_at(b"xyz", 0).unwrap(), 1);
    assert_eq!(disk.cut(Cut::Killed).bytes("a"), b"xac");
}
