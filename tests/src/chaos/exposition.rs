//! Reads a page of metrics strictly, in both text formats: an unknown sort of line is an error. Pure.

use std::collections::BTreeMap;

/// A text format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    OpenMetrics,
    Prometheus,
}

impl Format {
    /// Returns the value of `Accept` that asks for it.
    pub(crate) fn accept(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0",
            Self::Prometheus => "text/plain; version=0.0.4",
        }
    }
}

/// The series of a page, by name and labels: in one order, as the formats do not agree on one.
pub(crate) type Page = BTreeMap<String, Sample>;

/// One series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: f64,
    /// Whether it may only rise.
    pub(crate) is_counter: bool,
}

impl Sample {
    /// Returns its name with its labels, which are the same in every format.
    fn series(&self) -> String {
        let labels = self.labels.iter().map(|(name, value)| match (name.as_str(), value.parse::<f64>()) {
            ("le", Ok(bound)) => format!("le={bound}"),
            _ => format!("{name}={value}"),
        });
        let mut labels: Vec<_> = labels.collect();
        labels.sort_unstable();
        format!("{}{{{}}}", self.name, labels.join(","))
    }

    pub(crate) fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// Reads a page.
///
/// # Errors
/// Says which line is wrong, and how.
pub(crate) fn parse(text: &str, format: Format) -> Result<Page, String> {
    let text = match (text.strip_suffix("# EOF\n"), format) {
        (Some(text), Format::OpenMetrics) => text,
        (None, Format::OpenMetrics) => return Err("the page has no end".into()),
        (_, Format::Prometheus) => text,
    };
    let mut types = BTreeMap::new();
    let mut page = Page::new();
    for line in text.lines() {
        let wrong = |what: &str| format!("{what}: `{line}`");
        match line.strip_prefix("# ") {
            Some(comment) => {
                let mut words = comment.splitn(3, ' ');
                match (words.next(), words.next(), words.next()) {
                    (Some("TYPE"), Some(family), Some(kind)) => {
                        if types.insert(family.to_owned(), kind.to_owned()).is_some() {
                            return Err(wrong("a family begins twice"));
                        }
                    }
                    (Some("HELP" | "UNIT"), Some(_), Some(_)) => {}
                    _ => return Err(wrong("an unknown comment")),
                }
            }
            None => {
                let sample = sample(line, &types, format).ok_or_else(|| wrong("no sample of a family"))?;
                if page.insert(sample.series(), sample).is_some() {
                    return Err(wrong("a series comes twice"));
                }
            }
        }
    }
    histograms(&page)?;
    Ok(page)
}

/// `name{label="value"} number`
fn sample(line: &str, types: &BTreeMap<String, String>, format: Format) -> Option<Sample> {
    let (series, value) = line.rsplit_once(' ')?;
    let value: f64 = value.parse().ok().filter(|value: &f64| value.is_finite())?;
    let (name, labels) = match series.split_once('{') {
        Some((name, labels)) => (name, self::labels(labels.strip_suffix('}')?)?),
        None => (series, Vec::new()),
    };
    let is_name =
        |name: &str| !name.is_empty() && name.bytes().all(|it| it == b'_' || it.is_ascii_alphanumeric());
    if !is_name(name) || !labels.iter().all(|(name, _)| is_name(name)) {
        return None;
    }
    let is_of = |family: &str, kind: &str| types.get(family).is_some_and(|it| it == kind);
    let is_open = format == Format::OpenMetrics;
    let is_histogram = ["_bucket", "_sum", "_count"]
        .iter()
        .any(|suffix| name.strip_suffix(suffix).is_some_and(|family| is_of(family, "histogram")));
    let is_counter = is_histogram
        || if is_open {
            name.strip_suffix("_total").is_some_and(|family| is_of(family, "counter"))
        } else {
            name.ends_with("_total") && is_of(name, "counter")
        };
    let is_info = is_open && name.strip_suffix("_info").is_some_and(|family| is_of(family, "info"));
    let is_counted = is_counter && value >= 0.0;
    (is_counted || !is_counter && (is_of(name, "gauge") || is_info)).then(|| Sample {
        name: name.to_owned(),
        labels,
        value,
        is_counter,
    })
}

/// `a="b",c="d"`, with escapes.
fn labels(mut text: &str) -> Option<Vec<(String, String)>> {
    let mut labels = Vec::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let mut value = String::new();
        let mut letters = rest.char_indices();
        let end = loop {
            match letters.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match letters.next()?.1 {
                    'n' => '\n',
                    escaped @ ('\\' | '"') => escaped,
                    _ => return None,
                }),
                (_, letter) => value.push(letter),
            }
        };
        labels.push((name.to_owned(), value));
        text = match &rest[end + 1..] {
            "" => "",
            more => more.strip_prefix(',')?,
        };
    }
    Some(labels)
}

/// Each bucket holds those before it, and the last one holds all.
fn histograms(page: &Page) -> Result<(), String> {
    let mut buckets: BTreeMap<(String, Vec<&(String, String)>), Vec<(f64, f64)>> = BTreeMap::new();
    for sample in page.values() {
        let (Some(family), Some(bound)) = (sample.name.strip_suffix("_bucket"), sample.label("le")) else {
            continue;
        };
        let bound = bound.replace("+Inf", "inf").parse().map_err(|_| format!("`{bound}` is no bound"))?;
        let labels = sample.labels.iter().filter(|(name, _)| name != "le").collect();
        buckets.entry((family.to_owned(), labels)).or_default().push((bound, sample.value));
    }
    for ((family, labels), mut buckets) in buckets {
        buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
        let is_rising = buckets.windows(2).all(|pair| pair[0].1 <= pair[1].1);
        let count = page
            .values()
            .find(|it| it.name == format!("{family}_count") && it.labels.iter().eq(labels.iter().copied()));
        let is_all = buckets.last().is_some_and(|(bound, last)| {
            bound.is_infinite() && count.is_some_and(|count| (count.value - last).abs() < 0.5)
        });
        if !is_rising || !is_all {
            return Err(format!("the buckets of {family} {labels:?} are {buckets:?} of {count:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "# HELP jobs Number.\n# TYPE jobs counter\njobs_total{pool=\"a\\\"b\",outcome=\"ok\"} 7\n\
        # TYPE wait histogram\nwait_sum{pool=\"a\"} 1.5\nwait_count{pool=\"a\"} 3\n\
        wait_bucket{pool=\"a\",le=\"0.5\"} 1\nwait_bucket{pool=\"a\",le=\"+Inf\"} 3\n\
        # TYPE depth gauge\ndepth 2\n# EOF\n";

    #[test]
    fn both_formats_are_read() {
        let page = parse(OPEN, Format::OpenMetrics).unwrap();
        let jobs = page.values().find(|it| it.name == "jobs_total").unwrap();
        assert_eq!((jobs.label("pool"), jobs.value, jobs.is_counter), (Some("a\"b"), 7.0, true));
        assert!(page["wait_count{pool=a}"].is_counter && !page["depth{}"].is_counter);
        let buckets = |text: &str, format| -> Vec<String> {
            let page = parse(text, format).unwrap();
            page.into_keys().filter(|series| series.contains("_bucket")).collect()
        };
        let other = OPEN
            .replace("pool=\"a\",le=\"0.5\"", "le=\"5e-1\",pool=\"a\"")
            .replace("jobs counter", "jobs_total counter");
        let other = other.trim_end_matches("# EOF\n");
        assert_eq!(
            buckets(other, Format::Prometheus),
            buckets(OPEN, Format::OpenMetrics),
            "one name in both"
        );
        let older = "# HELP jobs_total Number.\n# TYPE jobs_total counter\njobs_total 7\n";
        assert_eq!(parse(older, Format::Prometheus).unwrap().len(), 1);
    }

    #[test]
    fn a_page_that_is_not_well_formed_is_found() {
        let spoilt = |from: &str, to: &str| {
            let text = OPEN.replace(from, to);
            assert_ne!(text, OPEN);
            parse(&text, Format::OpenMetrics).unwrap_err()
        };
        assert!(spoilt("# EOF\n", "").contains("no end"));
        assert!(spoilt("# TYPE depth", "# TYP depth").contains("unknown comment"));
        assert!(spoilt("# TYPE depth", "# TYPE wait").contains("begins twice"));
        assert!(spoilt("depth 2", "depth two").contains("no sample"));
        assert!(spoilt("depth 2", "depth NaN").contains("no sample"));
        assert!(spoilt("depth 2", "other 2").contains("no sample"));
        assert!(spoilt("depth 2", "depth 2\ndepth 3").contains("comes twice"));
        assert!(spoilt("outcome=\"ok\"}", "outcome=\"ok}").contains("no sample"));
        assert!(spoilt("le=\"0.5\"} 1", "le=\"0.5\"} 4").contains("buckets of wait"));
        assert!(spoilt("wait_count{pool=\"a\"} 3", "wait_count{pool=\"a\"} 4").contains("buckets of wait"));
    }
}
