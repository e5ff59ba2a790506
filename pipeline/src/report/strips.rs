//! Figures of several seeds on one scale, for an SVG in the template: a row of dots a name, a mark at their mean.

use super::charts::{Tick, WIDTH, round, spread, ticks};
use serde::Serialize;

const LEFT: f64 = 168.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 40.0;
/// From row to row.
const ROW: f64 = 30.0;

/// A drawing, ready to draw.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Strips {
    /// Units across.
    pub width: f64,
    /// Units down.
    pub height: f64,
    /// Left edge of the drawing area.
    pub left: f64,
    /// Right edge of the drawing area.
    pub right: f64,
    /// Top edge of the drawing area.
    pub top: f64,
    /// Bottom edge of the drawing area.
    pub bottom: f64,
    /// What runs to the right.
    pub across: String,
    /// Ticks to the right.
    pub ticks: Vec<Tick>,
    /// One a name.
    pub rows: Vec<Row>,
}

/// A row of dots.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// At its left.
    pub name: String,
    /// Units from the top.
    pub at: f64,
    /// Units from the left.
    pub dots: Vec<f64>,
    /// Of the mean, units from the left.
    pub mean: f64,
}

/// Scales the named figures; none where there is no finite one.
pub fn strips(across: &str, rows: &[(String, Vec<f64>)]) -> Option<Strips> {
    let finite = |values: &[f64]| values.iter().copied().filter(|value| value.is_finite()).collect::<Vec<_>>();
    let rows: Vec<(&String, Vec<f64>)> =
        rows.iter().map(|(name, values)| (name, finite(values))).filter(|(_, values)| !values.is_empty()).collect();
    if rows.is_empty() {
        return None;
    }
    let (low, high) = spread(rows.iter().flat_map(|(_, values)| values.iter().copied()));
    let (values, digits) = ticks(low, high, 5);
    let (low, high) = (low.min(values[0]), high.max(values[values.len() - 1]));
    let x = |value: f64| round(LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT));
    let bottom = TOP + ROW * rows.len() as f64;
    let row = |(number, (name, values)): (usize, &(&String, Vec<f64>))| Row {
        name: (*name).clone(),
        at: TOP + ROW * (number as f64 + 0.5),
        dots: values.iter().map(|value| x(*value)).collect(),
        mean: x(values.iter().sum::<f64>() / values.len() as f64),
    };
    Some(Strips {
        width: WIDTH,
        height: bottom + BOTTOM,
        left: LEFT,
        right: WIDTH - RIGHT,
        top: TOP,
        bottom,
        across: across.to_owned(),
        ticks: values.iter().map(|value| Tick { at: x(*value), text: format!("{value:.digits$}") }).collect(),
        rows: rows.iter().enumerate().map(row).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_land_where_the_scale_says() {
        let rows = [("alone".to_owned(), vec![2.0, 2.5]), ("relatives".to_owned(), vec![1.5, f64::NAN])];
        let found = strips("bits per byte", &rows).unwrap();
        // Ticks from 1.4 to 2.6 by 0.2 over 448 units from 168: 2.0 at 168 + 448 / 2, 1.5 at 168 + 448 / 12.
        assert_eq!((&found.rows[0].dots[..], found.rows[0].mean), (&[392.0, 578.7][..], 485.3));
        assert_eq!((&found.rows[1].dots[..], found.rows[1].mean), (&[205.3][..], 205.3));
        assert_eq!((found.rows[0].at, found.rows[1].at, found.height), (31.0, 61.0, 116.0));
        let ticks: Vec<_> = found.ticks.iter().map(|tick| (tick.at, tick.text.as_str())).collect();
        assert_eq!((ticks.len(), ticks[0], ticks[6]), (7, (168.0, "1.4"), (616.0, "2.6")));
        assert_eq!(strips("x", &[("none".to_owned(), vec![])]), None);
    }
}
