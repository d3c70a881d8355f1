//! `jurat topic`

mod list;
mod post;
mod price;
mod query;
mod tail;

use clap::{Args, Subcommand};
use data_encoding::BASE64;
use jurat_bulletin::{Topic, TopicId};

use super::{Failure, output::Output};
use crate::bulletin_json::BulletinJson;

/// Post public bulletins, priced by work, and read them
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Post(post::Arguments),
    Tail(tail::Arguments),
    List(list::Arguments),
    Query(query::Arguments),
    Price(price::Arguments),
}

/// Which topic, and where.
#[derive(Debug, Args)]
struct TopicArguments {
    /// The topic: what describes it, or its id in 64 hex digits
    topic: String,
    /// The node, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL")]
    node: String,
}

impl TopicArguments {
    fn id(&self) -> TopicId {
        let described = || Topic::new(self.topic.clone().into_bytes()).id();
        self.topic.parse().map_or_else(|_| described(), TopicId)
    }
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Post(arguments) => post::run(arguments, output),
        Command::Tail(arguments) => tail::run(arguments, output),
        Command::List(arguments) => list::run(arguments, output),
        Command::Query(arguments) => query::run(arguments, output),
        Command::Price(arguments) => price::run(arguments, output),
    }
}

/// A bulletin for people: strangers wrote it, so nothing in it reaches the terminal as a command.
fn describe(bulletin: &BulletinJson) -> String {
    let content = BASE64.decode(bulletin.content.as_bytes()).unwrap_or_default();
    let said = shown_text(&content);
    format!("{}  {}  {said}", bulletin.time, &bulletin.content_id.get(..8).unwrap_or_default())
}

/// What strangers wrote, as text.
pub(in crate::cli) fn shown_text(content: &[u8]) -> String {
    match str::from_utf8(content) {
        Ok(text) => text.chars().flat_map(shown).collect(),
        Err(_) => format!("({} bytes that are no text)", content.len()),
    }
}

/// Control characters, and those that turn text around, as escapes.
fn shown(character: char) -> impl Iterator<Item = char> {
    let hidden = character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let escaped = hidden.then(|| character.escape_unicode());
    escaped.into_iter().flatten().chain((!hidden).then_some(character))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_its_description_or_its_id() {
        let topic = |topic: &str| TopicArguments { topic: topic.into(), node: String::new() }.id();
        let weather = Topic::new(b"weather".to_vec()).id();
        assert_eq!(topic("weather"), weather);
        assert_eq!(topic(&weather.0.to_string()), weather);
        assert_ne!(topic(&weather.0.to_string()[1..]), weather);
    }

    #[test]
    fn what_strangers_write_does_not_reach_the_terminal_as_a_command() {
        let bulletin = |content: &[u8]| BulletinJson {
            topic: String::new(),
            content_id: "0123456789".into(),
            time: "then".into(),
            expires: String::new(),
            effort: 0,
            nonce: 0,
            solution: None,
            content: BASE64.encode(content),
        };
        assert_eq!(describe(&bulletin("für\nalle".as_bytes())), "then  01234567  für\\u{a}alle");
        assert_eq!(
            describe(&bulletin("\u{1b}[2J\u{202e}".as_bytes())),
            "then  01234567  \\u{1b}[2J\\u{202e}"
        );
        assert_eq!(describe(&bulletin(&[0xff, 0])), "then  01234567  (2 bytes that are no text)");
    }
}
