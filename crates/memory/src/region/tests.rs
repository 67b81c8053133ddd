//! Regions in one process, which plays both sides.

use super::*;
use crate::passing::{collect, offering};
use std::sync::atomic::Ordering::Relaxed;
use std::thread;

type Words = SharedRegion<AtomicU32>;

/// Returns the serialized form of a region and the descriptors that are sent with it.
fn sent(region: &impl Serialize) -> (String, Vec<Descriptor>) {
    collect(|| serde_json::to_string(region).unwrap())
}

/// Returns the text with another id, so that it is decoded as in a process that does not have the region.
fn elsewhere(text: &str) -> String {
    let mut reference: Reference = serde_json::from_str(text).unwrap();
    reference.region = Id::random().unwrap().to_string();
    serde_json::to_string(&reference).unwrap()
}

fn refused<T: de::DeserializeOwned + fmt::Debug>(text: &str) -> String {
    serde_json::from_str::<T>(text).unwrap_err().to_string()
}

#[test]
fn a_region_is_a_slice_of_zeroes_at_first() {
    let region = Words::new(1000).unwrap();
    assert!(region.len() == 1000 && region.iter().all(|cell| cell.load(Relaxed) == 0));
    assert_eq!(format!("{region:?}"), "SharedRegion(1000 cells of 4 bytes)");
}

#[test]
fn an_empty_region_and_one_beyond_all_memory_are_refused() {
    for cells in [0, usize::MAX] {
        let error = Words::new(cells).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        assert!(error.to_string().contains(&format!("cannot have {cells} cells of 4 bytes")), "{error}");
    }
}

#[test]
fn a_region_that_came_with_its_descriptor_is_the_same_memory() {
    let region = Words::new(1024).unwrap();
    let (text, descriptors) = sent(&region);
    assert_eq!(descriptors.len(), 1);
    let same: Words = offering(&descriptors, || serde_json::from_str(&elsewhere(&text)).unwrap());
    assert!(!Arc::ptr_eq(&region.0, &same.0) && same.len() == 1024);
    same[3].store(7, Relaxed);
    assert_eq!(region[3].load(Relaxed), 7);
}

#[test]
fn a_region_that_the_process_has_needs_no_descriptor() {
    let region = Words::new(1024).unwrap();
    let (text, descriptors) = sent(&region);
    drop(descriptors);
    let same: Words = serde_json::from_str(&text).unwrap();
    assert!(Arc::ptr_eq(&region.0, &same.0));
    drop((region, same));
    assert!(
        refused::<Words>(&text).contains("its descriptor did not come along"),
        "{}",
        refused::<Words>(&text)
    );
}

#[test]
fn what_is_sent_keeps_the_region() {
    let region = Words::new(1024).unwrap();
    region[0].store(5, Relaxed);
    let (text, descriptors) = sent(&region);
    drop(region);
    let same: Words = serde_json::from_str(&text).unwrap();
    assert_eq!(same[0].load(Relaxed), 5);
    drop(descriptors);
}

#[test]
fn a_region_that_an_input_names_twice_is_sent_once() {
    let (first, second) = (Words::new(1).unwrap(), Words::new(2).unwrap());
    let (text, descriptors) = sent(&[first.clone(), second.clone(), first.clone()]);
    assert_eq!(descriptors.len(), 2);
    let same: [Words; 3] = serde_json::from_str(&text).unwrap();
    assert!(Arc::ptr_eq(&same[0].0, &first.0) && Arc::ptr_eq(&same[1].0, &second.0));
    let (_, none) = collect(|| ());
    assert!(none.is_empty(), "of an earlier input");
}

#[test]
fn outside_of_an_input_nothing_goes_along() {
    let region = Words::new(1).unwrap();
    let text = serde_json::to_string(&region).unwrap();
    assert!(text.contains("\"descriptor\":null"), "{text}");
    // A value that panics while it is encoded leaves no descriptors for the next one.
    let panicked = thread::spawn(move || {
        collect(|| {
            serde_json::to_string(&region).unwrap();
            panic!("no")
        })
        .1
    });
    assert!(panicked.join().is_err());
}

#[test]
fn text_opens_no_memory() {
    let region = Words::new(1).unwrap();
    let (text, descriptors) = sent(&region);
    let id = region.0.id.to_string();
    let named = |it: &str| format!("{{\"region\":{it:?},\"cell\":4,\"descriptor\":0}}");
    for unknown in [&"0".repeat(32), &"f".repeat(32), &id.replace(&id[..1], "x"), "", "../../etc"] {
        let error = refused::<Words>(&named(unknown));
        assert!(error.contains("failed to find a shared region"), "{error}");
    }
    // A job can name only its own descriptors.
    let second = elsewhere(&text).replace("\"descriptor\":0", "\"descriptor\":1");
    let error = offering(&descriptors, || refused::<Words>(&second));
    assert!(error.contains("did not come along"), "{error}");
}

#[test]
fn a_region_has_one_type_of_cell() {
    let region = Words::new(1024).unwrap();
    let (text, descriptors) = sent(&region);
    let error = offering(&descriptors, || refused::<SharedRegion<AtomicU64>>(&text));
    assert!(error.contains("its cells have 4 bytes each, and 8 bytes were expected"), "{error}");
    let lie = text.replace("\"cell\":4", "\"cell\":8");
    let error = offering(&descriptors, || refused::<SharedRegion<AtomicU64>>(&lie));
    assert!(error.contains("this process has it with cells of another type"), "{error}");
}

#[test]
fn what_is_no_region_is_not_mapped() {
    let (text, _) = sent(&Words::new(1).unwrap());
    for file in [std::fs::File::open("/dev/null").unwrap(), file::create("test", 4096).unwrap()] {
        let offered: [Descriptor; 1] = [Arc::new(file)];
        let error = offering(&offered, || refused::<Words>(&elsewhere(&text)));
        assert!(error.contains("is no region"), "{error}");
    }
}
