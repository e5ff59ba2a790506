//! Line charts as plain numbers for an SVG in the template: scales, round ticks, points. No markup here.

use serde::Serialize;

/// Width of the drawing in its own units.
pub const WIDTH: f64 = 640.0;
/// Height of the drawing in its own units.
pub const HEIGHT: f64 = 264.0;
const LEFT: f64 = 48.0;
const RIGHT: f64 = 18.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// A line is drawn with no more points than this; more are averaged in groups.
const POINTS: usize = 320;

/// A chart, ready to draw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Chart {
    /// Units across.
    pub width: f64,
    /// Units down.
    pub height: f64,
    /// Left edge of the drawing area.
    pub left: f64,
    /// Right edge of the drawing area.
    pub right: f64,
    /// Bottom edge of the drawing area.
    pub bottom: f64,
    /// What runs to the right.
    pub across: String,
    /// What runs upwards.
    pub up: String,
    /// Ticks to the right.
    pub across_ticks: Vec<Tick>,
    /// Ticks upwards.
    pub up_ticks: Vec<Tick>,
    /// Lines.
    pub lines: Vec<Line>,
}

/// A tick with its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tick {
    /// Units from the left or the top.
    pub at: f64,
    /// What it says.
    pub text: String,
}

/// A line with its name.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Line {
    /// For the legend.
    pub name: String,
    /// `x,y x,y …` as SVG wants it.
    pub points: String,
    /// The same places, for dots where there are few.
    pub dots: Vec<(f64, f64)>,
}

/// Scales the named series into one chart; none where no series has a finite point.
pub fn lines(across: &str, up: &str, series: &[(String, Vec<(f64, f64)>)]) -> Option<Chart> {
    let series: Vec<(String, Vec<(f64, f64)>)> = series
        .iter()
        .map(|(name, points)| {
            let finite: Vec<_> = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
            (name.clone(), thinned(&finite))
        })
        .filter(|(_, points)| !points.is_empty())
        .collect();
    let all = || series.iter().flat_map(|(_, points)| points.iter().copied());
    all().next()?;
    let (x_low, x_high) = spread(all().map(|point| point.0));
    let (y_low, y_high) = spread(all().map(|point| point.1));
    let (y_ticks, y_digits) = ticks(y_low, y_high, 5);
    let y_low = y_low.min(*y_ticks.first().unwrap_or(&y_low));
    let y_high = y_high.max(*y_ticks.last().unwrap_or(&y_high));
    let x = |value: f64| round(LEFT + (value - x_low) / (x_high - x_low) * (WIDTH - LEFT - RIGHT));
    let y = |value: f64| round(TOP + (y_high - value) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM));
    let (x_ticks, x_digits) = ticks(x_low, x_high, 8);
    let inside = |value: &f64| *value >= x_low && *value <= x_high;
    let lines = series.iter().map(|(name, points)| {
        let dots: Vec<(f64, f64)> = points.iter().map(|point| (x(point.0), y(point.1))).collect();
        let points = dots.iter().map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ");
        let dots = if dots.len() <= 24 { dots } else { Vec::new() };
        Line { name: name.clone(), points, dots }
    });
    Some(Chart {
        width: WIDTH,
        height: HEIGHT,
        left: LEFT,
        right: WIDTH - RIGHT,
        bottom: HEIGHT - BOTTOM,
        across: across.to_owned(),
        up: up.to_owned(),
        across_ticks: x_ticks
            .iter()
            .filter(|value| inside(value))
            .map(|value| Tick { at: x(*value), text: format!("{value:.x_digits$}") })
            .collect(),
        up_ticks: y_ticks.iter().map(|value| Tick { at: y(*value), text: format!("{value:.y_digits$}") }).collect(),
        lines: lines.collect(),
    })
}

/// Averages neighbouring points in groups until there are few enough.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(POINTS).max(1);
    let mean = |group: &[(f64, f64)]| {
        let n = group.len() as f64;
        (group.iter().map(|point| point.0).sum::<f64>() / n, group.iter().map(|point| point.1).sum::<f64>() / n)
    };
    points.chunks(group).map(mean).collect()
}

/// Least and greatest value, a little apart where they are one.
pub(super) fn spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    if high > low { (low, high) } else { (low - 0.5, high + 0.5) }
}

/// Multiples of 1, 2 or 5 times a power of ten that enclose the values, about `wanted` of them, and their decimals.
pub(super) fn ticks(low: f64, high: f64, wanted: u32) -> (Vec<f64>, usize) {
    let rough = (high - low) / f64::from(wanted);
    let power = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|n| n * power).find(|step| *step >= rough * 0.999);
    let step = step.unwrap_or(power * 10.0);
    let (first, last) = ((low / step).floor() as i64, (high / step - 1e-9).ceil() as i64);
    let digits = (-step.log10().floor()).max(0.0) as usize;
    ((first..=last).map(|n| n as f64 * step).collect(), digits)
}

pub(super) fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_enclose() {
        assert_eq!(ticks(0.0, 100.0, 5), (vec![0.0, 20.0, 40.0, 60.0, 80.0, 100.0], 0));
        let (values, digits) = ticks(1.93, 3.1, 5); // rough 0.234 -> step 0.5
        assert_eq!((values, digits), (vec![1.5, 2.0, 2.5, 3.0, 3.5], 1));
    }

    #[test]
    fn points_land_where_the_scale_says() {
        let chart = lines("step", "loss", &[("a".into(), vec![(0.0, 10.0), (100.0, 0.0)])]).unwrap();
        // ticks 0..10 by 2, so the line runs from the upper left to the lower right corner of the area
        assert_eq!(chart.lines[0].points, "48,12 622,224");
        assert_eq!(chart.up_ticks.iter().map(|tick| tick.text.as_str()).collect::<Vec<_>>().join(" "), "0 2 4 6 8 10");
    }

    #[test]
    fn nothing_finite_gives_no_chart_and_one_point_gives_one() {
        assert_eq!(lines("step", "loss", &[("a".into(), vec![(1.0, f64::NAN)])]), None);
        let one = lines("step", "loss", &[("a".into(), vec![(1.0, 2.0)])]).unwrap();
        assert!(!one.lines[0].points.contains("NaN"), "{one:?}");
    }

    #[test]
    fn many_points_are_averaged() {
        let many: Vec<_> = (0..1000).map(|n| (f64::from(n), f64::from(n % 2))).collect();
        let few = thinned(&many); // groups of 4: each has two 0 and two 1
        assert_eq!((few.len(), few[0]), (250, (1.5, 0.5)));
    }
}
