//! A picture of who trusts whom: as data, as DOT and as SVG, always the same for the same state.

use alloc::{format, string::String, vec::Vec};
use core::fmt::{self, Write as _};

use serde::{Deserialize, Serialize};

use crate::{
    FederationId, Name, Registry, Relationship, Score, Status, federation::Federation, table::Index,
};

/// A federation in the picture.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GraphFederation {
    /// Its id.
    pub id: FederationId,
    /// Its name for people.
    pub name: Name,
    /// Where it stands.
    pub status: Status,
    /// Whether its node is among those that order the log.
    pub on_council: bool,
    /// What those who trust it make of it.
    pub reputation: Score,
}

/// An arrow from who trusts to who is trusted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct GraphTrust {
    /// Who trusts.
    pub source: FederationId,
    /// Who is trusted.
    pub target: FederationId,
    /// How they relate.
    pub relationship: Relationship,
    /// How much.
    pub score: Score,
    /// Whether the two are flagged for collusion.
    pub flagged: bool,
}

/// Who trusts whom: all federations but dissolved ones by id, and all trust between them but ended
/// one by source and target.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TrustGraph {
    /// The federations.
    pub federations: Vec<GraphFederation>,
    /// The arrows.
    pub trust: Vec<GraphTrust>,
}

impl Registry {
    /// Who trusts whom, and how much.
    #[must_use]
    pub fn trust_graph(&self) -> TrustGraph {
        let stays = |index: Index<Federation>| self.federations.at(index).status != Status::Dissolved;
        let shown = self.indexes.federations.values().copied().filter(|index| stays(*index));
        let federations = shown.map(|index| {
            let federation = self.federations.at(index);
            let Federation { id, status, settings, .. } = federation;
            GraphFederation {
                id: id.clone(),
                name: settings.name.clone(),
                status: *status,
                on_council: federation.is_on_council(),
                reputation: self.reputation_of(index),
            }
        });
        let trust = self.trusts.iter().map(|(_, trust)| trust);
        let trust =
            trust.filter(|trust| trust.relationship.counts() && stays(trust.source) && stays(trust.target));
        let mut trust: Vec<_> = trust
            .map(|trust| GraphTrust {
                source: self.federations.at(trust.source).id.clone(),
                target: self.federations.at(trust.target).id.clone(),
                relationship: trust.relationship,
                score: trust.score,
                flagged: self.flags(trust.source, trust.target),
            })
            .collect();
        trust.sort_unstable_by(|a, b| (&a.source, &a.target).cmp(&(&b.source, &b.target)));
        TrustGraph { federations: federations.collect(), trust }
    }
}

const NODE_RADIUS: i64 = 8;
/// Room for labels beside the circle.
const LABELS: i64 = 260;
const BOTTOM: i64 = 90;
/// With more arrows their scores would only hide them; they stay in the titles.
const MOST_SCORES: usize = 60;

impl TrustGraph {
    /// For Graphviz and what else reads DOT.
    #[must_use]
    pub fn to_dot(&self) -> String {
        let mut dot = String::from("digraph trust {\n  node [shape=ellipse];\n");
        for federation in &self.federations {
            let shape = if federation.on_council { ", peripheries=2" } else { "" };
            let colour = colour(federation.status);
            let id = Quoted(federation.id.as_str());
            let label = format!("{}\n{}", federation.id, federation.reputation);
            let _ = writeln!(dot, "  {id} [label={}, color=\"{colour}\"{shape}];", Quoted(&label));
        }
        for trust in &self.trust {
            let (source, target) = (Quoted(trust.source.as_str()), Quoted(trust.target.as_str()));
            let style = if trust.flagged { ", color=\"#c62828\", style=dashed" } else { "" };
            let (score, width) = (trust.score, Tenths(width(trust.score)));
            let _ = writeln!(dot, "  {source} -> {target} [label=\"{score}\", penwidth={width}{style}];");
        }
        dot.push_str("}\n");
        dot
    }

    /// A picture without scripts, fonts or anything else from elsewhere: federations on a circle,
    /// those of the council with a ring, arrows as wide as the score, flagged pairs red and dashed.
    #[must_use]
    pub fn to_svg(&self) -> String {
        let count = i64::try_from(self.federations.len()).unwrap_or(i64::MAX).clamp(1, 1 << 20);
        let radius = (count * 9).max(150);
        let (width, height) = (2 * (radius + LABELS), 2 * (radius + 60) + BOTTOM);
        let centre = (radius + LABELS, radius + 60);
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" \
             height=\"{height}\" font-family=\"sans-serif\" font-size=\"13\">\n\
             <title>Who trusts whom</title>\n<rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n"
        );
        let place = |i: usize| {
            // From the top, clockwise, in hundredths of a degree.
            let angle = 36_000 * i64::try_from(i).unwrap_or_default() / count;
            (centre.0 + radius * sine(angle) / 10_000, centre.1 - radius * sine(angle + 9_000) / 10_000)
        };
        let find = |id: &FederationId| self.federations.binary_search_by(|other| other.id.cmp(id)).ok();
        for trust in &self.trust {
            if let (Some(source), Some(target)) = (find(&trust.source), find(&trust.target)) {
                arrow(&mut svg, trust, place(source), place(target));
            }
        }
        if self.trust.len() <= MOST_SCORES {
            for trust in &self.trust {
                if let (Some(source), Some(target)) = (find(&trust.source), find(&trust.target)) {
                    score(&mut svg, trust, place(source), place(target));
                }
            }
        }
        for (i, federation) in self.federations.iter().enumerate() {
            label(&mut svg, federation, place(i), centre);
        }
        let (x, mut y) = (20, height - BOTTOM + 10);
        for line in [
            "Arrows lead from who trusts to who is trusted, with the score; the wider, the higher.",
            "Red and dashed: flagged for collusion. Ring: on the council. Grey: suspended or quarantined.",
            "Beside the names: reputation. Scores and reputations are in basis points.",
        ] {
            let _ = writeln!(svg, "<text x=\"{x}\" y=\"{y}\" fill=\"#555555\">{line}</text>");
            y += 20;
        }
        svg.push_str("</svg>\n");
        svg
    }
}

/// The control point of the arrow from one point to another.
fn bend(from: (i64, i64), to: (i64, i64)) -> (i64, i64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    (i64::midpoint(from.0, to.0) - dy / 8, i64::midpoint(from.1, to.1) + dx / 8)
}

/// A curve that bends to the right of its direction, so that there and back lie apart.
fn arrow(svg: &mut String, trust: &GraphTrust, from: (i64, i64), to: (i64, i64)) {
    let bend = bend(from, to);
    let start = towards(from, bend, NODE_RADIUS + 4);
    let tip = towards(to, bend, NODE_RADIUS + 5);
    let end = towards(to, bend, NODE_RADIUS + 15);
    let dashes = if trust.flagged { " stroke-dasharray=\"6 4\"" } else { "" };
    let colour = arrow_colour(trust);
    let width = Tenths(width(trust.score));
    let (source, target) = (Escaped(trust.source.as_str()), Escaped(trust.target.as_str()));
    let _ = writeln!(
        svg,
        "<path d=\"M{} {}Q{} {} {} {}\" fill=\"none\" stroke=\"{colour}\" stroke-opacity=\"0.75\" \
         stroke-width=\"{width}\"{dashes}><title>{source} to {target}: {}, {}</title></path>",
        start.0, start.1, bend.0, bend.1, end.0, end.1, trust.relationship, trust.score
    );
    let (ux, uy) = (end.0 - tip.0, end.1 - tip.1);
    let _ = writeln!(
        svg,
        "<path d=\"M{} {}L{} {}L{} {}Z\" fill=\"{colour}\"/>",
        tip.0,
        tip.1,
        end.0 - uy / 2,
        end.1 + ux / 2,
        end.0 + uy / 2,
        end.1 - ux / 2
    );
}

/// The score on its arrow, nearer to where that begins, so that those of there and back lie apart.
fn score(svg: &mut String, trust: &GraphTrust, from: (i64, i64), to: (i64, i64)) {
    let bend = bend(from, to);
    let third = |from: i64, bend: i64, to: i64| (4 * from + 4 * bend + to) / 9;
    let (x, y) = (third(from.0, bend.0, to.0), third(from.1, bend.1, to.1) + 4);
    let (colour, score) = (arrow_colour(trust), trust.score);
    let _ = writeln!(
        svg,
        "<text x=\"{x}\" y=\"{y}\" text-anchor=\"middle\" font-size=\"10\" fill=\"{colour}\" stroke=\"#ffffff\" \
         stroke-width=\"3\" paint-order=\"stroke\">{score}</text>"
    );
}

const fn arrow_colour(trust: &GraphTrust) -> &'static str {
    if trust.flagged { "#c62828" } else { "#3b6ea5" }
}

fn label(svg: &mut String, federation: &GraphFederation, at: (i64, i64), centre: (i64, i64)) {
    let (x, y) = at;
    if federation.on_council {
        let ring = NODE_RADIUS + 3;
        let _ =
            writeln!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{ring}\" fill=\"none\" stroke=\"#1b3a57\"/>");
    }
    let colour = colour(federation.status);
    let _ = writeln!(svg, "<circle cx=\"{x}\" cy=\"{y}\" r=\"{NODE_RADIUS}\" fill=\"{colour}\"/>");
    let middle = (x - centre.0).abs() < 20;
    let (anchor, shift) = match x - centre.0 {
        _ if middle => ("middle", 0),
        side if side > 0 => ("start", NODE_RADIUS + 8),
        _ => ("end", -NODE_RADIUS - 8),
    };
    let y = match y - centre.1 {
        _ if !middle => y + 4,
        side if side > 0 => y + NODE_RADIUS + 20,
        _ => y - NODE_RADIUS - 10,
    };
    // What is longer would leave the picture; the whole id is in the title.
    let short: String = federation.id.as_str().chars().take(24).collect();
    let dots = if short.len() < federation.id.as_str().len() { "…" } else { "" };
    let (id, name) = (Escaped(federation.id.as_str()), Escaped(federation.name.as_str()));
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{y}\" text-anchor=\"{anchor}\" fill=\"#222222\">{}{dots} · {}\
         <title>{id}: {name}, {}</title></text>",
        x + shift,
        Escaped(&short),
        federation.reputation,
        federation.status
    );
}

const fn colour(status: Status) -> &'static str {
    match status {
        Status::Active => "#1b3a57",
        Status::Suspended | Status::Quarantined | Status::Dissolved => "#b0b0b0",
    }
}

/// Between 1 and 4 units, in tenths.
fn width(score: Score) -> u16 {
    10 + score.basis_points() * 3 / 1_000
}

/// The point at a distance from one point in the direction of another.
fn towards(from: (i64, i64), to: (i64, i64), distance: i64) -> (i64, i64) {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = (dx * dx + dy * dy).isqrt().max(1);
    (from.0 + dx * distance / length, from.1 + dy * distance / length)
}

/// Ten thousand times the sine of an angle in hundredths of a degree, to within 17, by Bhaskara's
/// rational approximation: the picture is the same on every machine.
fn sine(angle: i64) -> i64 {
    let angle = angle.rem_euclid(36_000);
    let (half, sign) = if angle < 18_000 { (angle, 1) } else { (angle - 18_000, -1) };
    let product = half * (18_000 - half);
    sign * 40_000 * product / (405_000_000 - product)
}

struct Tenths(u16);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0 / 10, self.0 % 10)
    }
}

/// A string of DOT.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\n' => f.write_str("\\n")?,
                _ => f.write_char(character)?,
            }
        }
        f.write_char('"')
    }
}

/// Text of XML.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '&' => f.write_str("&amp;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(character)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::cast_precision_loss, reason = "degrees are small")]
    fn the_sine_is_one() {
        for angle in (-36_000..72_000_i64).step_by(7) {
            let exact = (angle as f64 / 18_000.0 * core::f64::consts::PI).sin() * 10_000.0;
            assert!((sine(angle) as f64 - exact).abs() <= 18.0, "{angle}");
        }
    }

    #[test]
    fn ids_can_not_leave_their_place() {
        assert_eq!(Quoted("a\"b\\c\nd").to_string(), "\"a\\\"b\\\\c\\nd\"");
        assert_eq!(Escaped("<a&'\">").to_string(), "&lt;a&amp;&#39;&quot;&gt;");
    }
}
