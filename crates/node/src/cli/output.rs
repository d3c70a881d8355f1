//! What commands print: lines for people, or JSON for programs.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// Where a command's results go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Output {
    json: bool,
}

impl Output {
    pub(super) const fn new(json: bool) -> Self {
        Self { json }
    }

    pub(super) const fn is_json(self) -> bool {
        self.json
    }

    /// One result: an object for programs, or the text for people.
    pub(super) fn result(self, object: &impl Serialize, text: impl FnOnce() -> String) {
        if self.json {
            self.print(&serde_json::to_string(object).unwrap_or_default());
        } else {
            self.print(&text());
        }
    }

    /// A line for people; programs don't see it.
    pub(super) fn say(self, text: &str) {
        if !self.json {
            self.print(text);
        }
    }

    /// A line on standard output. If nobody reads it any more, that is not an error.
    #[expect(clippy::unused_self, reason = "whoever prints has been given an output to print to")]
    pub(super) fn print(self, line: &str) {
        let _ = writeln!(io::stdout().lock(), "{line}");
    }

    /// Bytes on standard output as they are.
    #[expect(clippy::unused_self, reason = "as with `print`")]
    pub(super) fn print_bytes(self, bytes: &[u8]) {
        let _ = io::stdout().lock().write_all(bytes);
    }

    /// A line on standard error.
    #[expect(clippy::unused_self, reason = "as with `print`")]
    pub(super) fn complain(self, message: &str) {
        let _ = writeln!(io::stderr().lock(), "jurat: {message}");
    }

    /// A progress bar, on a terminal only.
    pub(super) fn progress(self, length: u64, what: &str) -> ProgressBar {
        let visible = !self.json && io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(Some(length), target);
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {eta}") {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar
    }
}

/// Rows below a header, each column as wide as its widest cell.
pub(super) fn table<const N: usize>(
    header: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let header = header.map(str::to_owned);
    let rows: Vec<[String; N]> = std::iter::once(header).chain(rows).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}  "));
        cells.collect::<String>().trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}
