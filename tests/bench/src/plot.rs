//! A plot as SVG: panels side by side, both axes logarithmic.

use std::fmt::Write;

/// What is drawn as one line.
pub struct Line {
    pub name: &'static str,
    pub unit: &'static str,
    /// From left to right, all above 0.
    pub points: Vec<(f64, f64)>,
}

impl Line {
    pub fn new(name: &'static str, unit: &'static str) -> Self {
        Self { name, unit, points: Vec::new() }
    }
}

/// A panel's heading and lines.
pub type Panel<'p> = (&'p str, &'p [&'p Line]);

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 320.0;
/// Room around the lines: left, top, right, bottom.
const MARGIN: [f64; 4] = [64.0, 34.0, 28.0, 48.0];
const COLOURS: [&str; 3] = ["#0b6e99", "#c2571a", "#4b7f2f"];

/// Draws the panels. All lines share the horizontal axis.
pub fn plot(x_name: &str, panels: &[Panel<'_>]) -> String {
    let width = WIDTH * panels.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {HEIGHT}\" width=\"{width}\" \
         height=\"{HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n\
         <rect width=\"{width}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n"
    );
    for (number, panel) in panels.iter().enumerate() {
        let _ = writeln!(svg, "<g transform=\"translate({} 0)\">", WIDTH * number as f64);
        draw(&mut svg, x_name, panel);
        svg.push_str("</g>\n");
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, x_name: &str, (heading, lines): &Panel<'_>) {
    let [left, top, right, bottom] = MARGIN;
    let points = || lines.iter().flat_map(|line| &line.points);
    let (x_low, x_high) = decades(points().map(|point| point.0));
    let (y_low, y_high) = decades(points().map(|point| point.1));
    let x = |value: f64| left + (value.log10() - x_low) / (x_high - x_low) * (WIDTH - left - right);
    let y =
        |value: f64| HEIGHT - bottom - (value.log10() - y_low) / (y_high - y_low) * (HEIGHT - top - bottom);
    let (x_start, x_end, y_start, y_end) = (left, WIDTH - right, HEIGHT - bottom, top);

    let _ = writeln!(svg, "<text x=\"{left}\" y=\"20\" font-weight=\"bold\">{heading}</text>");
    for exponent in x_low as i32..=x_high as i32 {
        let at = x(10_f64.powi(exponent));
        let _ = writeln!(
            svg,
            "<path d=\"M{at:.1} {y_start:.1}V{y_end:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{at:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            y_start + 17.0,
            short(10_f64.powi(exponent))
        );
    }
    for exponent in y_low as i32..=y_high as i32 {
        let at = y(10_f64.powi(exponent));
        let _ = writeln!(
            svg,
            "<path d=\"M{x_start:.1} {at:.1}H{x_end:.1}\" stroke=\"#ddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            x_start - 6.0,
            at + 4.0,
            short(10_f64.powi(exponent))
        );
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{x_name}</text>",
        x_start.midpoint(x_end),
        HEIGHT - 12.0
    );
    for (line, colour) in lines.iter().zip(COLOURS) {
        let corners: Vec<_> = line.points.iter().map(|(a, b)| format!("{:.1},{:.1}", x(*a), y(*b))).collect();
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            corners.join(" ")
        );
        for (a, b) in &line.points {
            let _ =
                writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>", x(*a), y(*b));
        }
        // Above the line's highest point, where a line that rises to the right leaves room.
        let top = line.points.iter().map(|point| y(point.1)).fold(f64::MAX, f64::min);
        if let Some((a, _)) = line.points.last() {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"{colour}\">{}</text>",
                x(*a),
                top - 5.0,
                line.name
            );
        }
    }
}

/// The powers of ten, by their exponents, that enclose all values.
fn decades(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let low = values.clone().fold(f64::MAX, f64::min).log10().floor();
    let high = values.fold(f64::MIN_POSITIVE, f64::max).log10().ceil();
    (low, high.max(low + 1.0))
}

fn short(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e3.. => format!("{} k", value / 1e3),
        _ => format!("{}", (value * 1e6).round() / 1e6),
    }
}
