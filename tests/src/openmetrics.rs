//! The text form of metrics, read strictly.

/// A sample: its name with labels, and its value, which is a number; both as they are written.
pub type Sample = (String, String);

/// The samples of an OpenMetrics text, if it is one: each after the type of its family, names and
/// labels well-formed, counters ending in `_total`, none twice, the end marked.
#[must_use]
#[track_caller]
pub fn parse_openmetrics(text: &str) -> Vec<Sample> {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut samples: Vec<Sample> = Vec::new();
    let mut family = ("", "");
    for line in body.lines() {
        if let Some(comment) = line.strip_prefix("# ") {
            family = parse_comment(comment, family).unwrap_or_else(|| panic!("{line}"));
        } else {
            let sample = parse_sample(line, family).unwrap_or_else(|| panic!("{line}"));
            assert!(samples.iter().all(|(other, _)| *other != sample.0), "{line}: twice");
            samples.push(sample);
        }
    }
    samples
}

/// The family, by name and type, that the following samples belong to.
fn parse_comment<'a>(comment: &'a str, family: (&'a str, &'a str)) -> Option<(&'a str, &'a str)> {
    let (keyword, rest) = comment.split_once(' ')?;
    let (name, rest) = rest.split_once(' ')?;
    match keyword {
        _ if !is_name(name) => None,
        "TYPE" => Some((name, rest)),
        "HELP" | "UNIT" => Some(family),
        _ => None,
    }
}

fn parse_sample(line: &str, (family, kind): (&str, &str)) -> Option<Sample> {
    let (sample, value) = line.rsplit_once(' ')?;
    let (name, labels) = sample.split_once('{').map_or((sample, None), |(name, rest)| (name, Some(rest)));
    let suffix = name.strip_prefix(family)?;
    if !matches!((kind, suffix), ("counter", "_total") | ("gauge", "")) {
        return None;
    }
    if let Some(labels) = labels {
        for label in labels.strip_suffix('}')?.split(',') {
            let (name, value) = label.split_once('=')?;
            let quoted = value.strip_prefix('"')?.strip_suffix('"')?;
            if !is_name(name) || quoted.contains('"') {
                return None;
            }
        }
    }
    value.parse::<f64>().ok()?;
    Some((sample.to_owned(), value.to_owned()))
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
