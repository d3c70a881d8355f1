//! What a person reads of a history.

/// Lines with their times, if anybody wants them.
pub(super) struct Trace(Option<Vec<String>>);

/// More than this nobody reads; the end is what counts.
const MAX_LINES: usize = 20_000;

impl Trace {
    pub(super) fn new(wanted: bool) -> Self {
        Self(wanted.then(Vec::new))
    }

    pub(super) fn note(&mut self, now: u64, line: impl FnOnce() -> String) {
        if let Some(lines) = &mut self.0
            && lines.len() < MAX_LINES
        {
            lines.push(format!("{now:>7} ms  {}", line()));
        }
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.0.unwrap_or_default()
    }
}
