//! The "processed profile" format of the Firefox Profiler, version 54: open it at profiler.firefox.com.

use procpool_protocol::inspection::Profile;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::{Duration, SystemTime};

const VERSION: u32 = 54;

pub(super) fn write(profile: &Profile) -> String {
    let began = profile.began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    json!({
        "meta": {
            "categories": [{ "name": "Other", "color": "grey", "subcategories": ["Other"] }],
            "debug": false,
            "extensions": { "baseURL": [], "id": [], "length": 0, "name": [] },
            "interval": millis(profile.interval),
            "preprocessedProfileVersion": VERSION,
            "processType": 0,
            "product": format!("procpool {}", profile.worker),
            "sampleUnits": { "eventDelay": "ms", "threadCPUDelta": "µs", "time": "ms" },
            "startTime": millis(began),
            "symbolicated": true,
            "pausedRanges": [],
            "version": 24,
            "usesOnlyOneStackType": true,
            "sourceCodeIsNotOnSearchfox": true,
            "markerSchema": [],
        },
        "libs": [],
        "threads": [thread(profile)],
        "pages": [],
        "profilerOverhead": [],
        "counters": [],
    })
    .to_string()
}

/// Tables that refer to each other by index. A table without rows of ours is still expected.
fn thread(profile: &Profile) -> Value {
    let mut strings = Strings::default();
    let names: Vec<u32> = profile.frames.iter().map(|frame| strings.number(super::label(frame))).collect();
    let files = profile.frames.iter().map(|frame| Some(strings.number(super::cut(frame.file.as_deref()?))));
    let files: Vec<Option<u32>> = files.collect();
    let lines: Vec<Option<u32>> = profile.frames.iter().map(|frame| frame.line).collect();
    let count = profile.frames.len();
    let (stacks, tops) = stacks(profile);
    let deltas = profile.samples.iter().scan(Duration::ZERO, |before, sample| {
        Some(millis(sample.at.saturating_sub(std::mem::replace(before, sample.at))))
    });
    let (deltas, samples): (Vec<_>, _) = (deltas.collect(), profile.samples.len());
    let (prefixes, frames): (Vec<_>, Vec<_>) = stacks.into_iter().unzip();
    json!({
        "frameTable": {
            "length": count,
            "address": vec![-1; count],
            "inlineDepth": vec![0; count],
            "category": vec![0; count],
            "subcategory": vec![0; count],
            "func": (0..count).collect::<Vec<_>>(),
            "nativeSymbol": vec![Value::Null; count],
            "innerWindowID": vec![Value::Null; count],
            "line": lines,
            "column": vec![Value::Null; count],
        },
        "funcTable": {
            "length": count,
            "name": names,
            "isJS": vec![false; count],
            "relevantForJS": vec![false; count],
            "resource": vec![-1; count],
            "fileName": files,
            "lineNumber": vec![Value::Null; count],
            "columnNumber": vec![Value::Null; count],
        },
        "stackTable": { "length": prefixes.len(), "prefix": prefixes, "frame": frames },
        "samples": {
            "length": samples,
            "stack": tops,
            "timeDeltas": deltas,
            "weight": vec![1; samples],
            "weightType": "samples",
            "threadCPUDelta": vec![0; samples],
        },
        "markers": {
            "length": 0, "category": [], "data": [], "endTime": [], "name": [], "phase": [], "startTime": [],
        },
        "nativeSymbols": { "length": 0, "address": [], "functionSize": [], "libIndex": [], "name": [] },
        "resourceTable": { "length": 0, "lib": [], "name": [], "host": [], "type": [] },
        "stringArray": strings.all,
        "name": profile.worker,
        "isMainThread": true,
        "pausedRanges": [],
        "pid": profile.pid.to_string(),
        "tid": profile.pid.to_string(),
        "processName": profile.worker,
        "processShutdownTime": null,
        "processStartupTime": 0.0,
        "processType": "default",
        "registerTime": 0.0,
        "unregisterTime": null,
        "showMarkersInTimeline": false,
    })
}

/// A stack of the table: that of its caller, and its own call.
type Stack = (Option<usize>, u32);

/// Returns the table of stacks, each once, and the one of each sample.
fn stacks(profile: &Profile) -> (Vec<Stack>, Vec<Option<usize>>) {
    let (mut table, mut numbers) = (Vec::new(), HashMap::new());
    let tops = profile.samples.iter().map(|sample| {
        sample.calls.iter().rev().fold(None, |caller, call| {
            let stack = (caller, *call);
            let next = numbers.len();
            Some(*numbers.entry(stack).or_insert_with(|| {
                table.push(stack);
                next
            }))
        })
    });
    let tops = tops.collect();
    (table, tops)
}

/// Texts, each once.
#[derive(Default)]
struct Strings {
    all: Vec<String>,
    numbers: HashMap<String, u32>,
}

impl Strings {
    fn number(&mut self, text: String) -> u32 {
        let next = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
        *self.numbers.entry(text).or_insert_with_key(|text| {
            self.all.push(text.clone());
            next
        })
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
