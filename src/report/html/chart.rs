//! How long after its user each key was made, as a chart: a logarithmic axis of time, the setup window marked on it, and
//! one lane a kind of key. Few keys are one mark each, of another shape in each lane; many are columns.

use super::{distance, thousands};
use crate::rule::parameters::SetupWindow;
use crate::text::count;

/// The most marks in a lane, and the most on top of each other; beyond either a lane shows columns.
const MOST_MARKS: usize = 300;
const HIGHEST_STACK: usize = 8;

/// The least height of a lane of marks, in marks.
const LOWEST_LANE: usize = 2;

/// Width of a column, in units of the drawing (pixels, at its own width).
const COLUMN: f64 = 12.0;

/// Height of a lane of columns, and of the line above a lane that names it.
const COLUMNS_HEIGHT: f64 = 90.0;
const LANE_TITLE: f64 = 26.0;

/// Above the lanes: what the window is. Below: the axis, its labels, and which side is which.
const TOP: f64 = 22.0;
const AXIS: f64 = 44.0;

/// Least distance between the labels of the axis, from middle to middle.
const LABEL_DISTANCE: f64 = 58.0;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const MONTH: i64 = 30 * DAY;
const YEAR: i64 = 365 * DAY;

/// What a key is to the verdict on its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A setup key that counts against its user.
    Setup,
    /// A setup key that an exception covers.
    Excepted,
    /// Any other key.
    Other,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Setup, Self::Excepted, Self::Other];

    /// Its name in class attributes.
    pub(super) const fn class(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Excepted => "excepted",
            Self::Other => "other",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::Setup => "Setup keys",
            Self::Excepted => "Setup keys with an exception",
            Self::Other => "Other keys",
        }
    }
}

/// A key to show.
#[derive(Debug)]
pub(super) struct Point {
    pub(super) kind: Kind,
    pub(super) seconds_after_user: i64,
    /// User, key and distance.
    pub(super) label: String,
}

/// The drawing.
#[derive(Debug)]
pub(super) struct Chart<'a> {
    /// Tells the drawings of a page apart.
    pub(super) name: &'static str,
    pub(super) width: f64,
    pub(super) height: f64,
    pub(super) window: Option<Band>,
    pub(super) user_made: f64,
    pub(super) lanes: Vec<Lane<'a>>,
    pub(super) ticks: Vec<Tick>,
    /// Where the lanes begin and end, and where the labels of the axis are.
    pub(super) top: f64,
    pub(super) bottom: f64,
    pub(super) labels: f64,
}

#[derive(Debug)]
pub(super) struct Band {
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) label: String,
}

#[derive(Debug)]
pub(super) struct Lane<'a> {
    pub(super) class: &'static str,
    pub(super) title: String,
    pub(super) title_y: f64,
    pub(super) base: f64,
    pub(super) marks: Vec<Mark<'a>>,
    pub(super) columns: Vec<Bar>,
    pub(super) scale: Option<Tick>,
}

#[derive(Debug)]
pub(super) struct Mark<'a> {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) label: &'a str,
}

#[derive(Debug)]
pub(super) struct Bar {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
    /// How many keys, from when to when.
    pub(super) label: String,
}

#[derive(Debug)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

impl<'a> Chart<'a> {
    /// Draws the points to this width; `None` if there are none.
    pub(super) fn draw(points: &'a [Point], window: SetupWindow, name: &'static str, width: f64) -> Option<Self> {
        let axis = Axis::of(points, window, width)?;
        let columns = axis.columns();
        let mut y = TOP;
        let mut lanes = Vec::new();
        for kind in Kind::ALL {
            let mut stacks: Vec<Vec<&Point>> = columns.iter().map(|_| Vec::new()).collect();
            let members = points.iter().filter(|point| point.kind == kind);
            for point in members {
                let place = axis.place(point.seconds_after_user);
                let column = columns.partition_point(|(_, end)| *end <= place).min(columns.len() - 1);
                stacks[column].push(point);
            }
            let total: usize = stacks.iter().map(Vec::len).sum();
            // Setup keys are what one looks for: their absence is shown.
            if total > 0 || kind == Kind::Setup {
                let lane = Lane::draw(kind, &columns, &stacks, total, y);
                y = lane.base;
                lanes.push(lane);
            }
        }
        let band = match window {
            SetupWindow::Any => None,
            SetupWindow::Seconds(seconds) => {
                let (x, end) = (axis.x(start(-i64::from(seconds))), axis.x(end(seconds.into())));
                Some(Band { x, width: end - x, label: format!("setup window: {seconds} s before or after") })
            }
        };
        Some(Self {
            name,
            width,
            height: y + AXIS,
            window: band,
            user_made: axis.x(0.0),
            lanes,
            ticks: axis.ticks(),
            top: TOP,
            bottom: y,
            labels: y + 18.0,
        })
    }
}

impl<'a> Lane<'a> {
    fn draw(kind: Kind, columns: &[(f64, f64)], stacks: &[Vec<&'a Point>], total: usize, top: f64) -> Self {
        let highest = stacks.iter().map(Vec::len).max().unwrap_or(0);
        let as_marks = highest <= HIGHEST_STACK && total <= MOST_MARKS;
        let height = if as_marks { COLUMN * float(highest.max(LOWEST_LANE)) } else { COLUMNS_HEIGHT };
        let title_y = top + LANE_TITLE - 8.0;
        let base = top + LANE_TITLE + height;
        let placed = columns.iter().zip(stacks).filter(|(_, stack)| !stack.is_empty());
        let mut lane = Self {
            class: kind.class(),
            title: format!("{}: {}", kind.title(), thousands(total)),
            title_y,
            base,
            marks: Vec::new(),
            columns: Vec::new(),
            scale: None,
        };
        if as_marks {
            for ((start, end), stack) in placed {
                let rows = stack.iter().enumerate();
                lane.marks.extend(rows.map(|(row, point)| Mark {
                    x: f64::midpoint(*start, *end),
                    y: base - COLUMN * (float(row) + 0.5) - 1.5,
                    label: &point.label,
                }));
            }
            return lane;
        }
        let unit = (height - 4.0) / float(highest);
        for ((start, end), stack) in placed {
            // One key among thousands must still be seen.
            let height = (unit * float(stack.len())).max(2.0);
            let label = range(stack);
            lane.columns.push(Bar { x: start + 0.75, y: base - height, width: end - start - 1.5, height, label });
        }
        let round = round_below(highest);
        lane.scale = Some(Tick { at: base - unit * float(round), label: thousands(round) });
        lane
    }
}

/// `12 keys, 45 s after to 52 s after the user`
fn range(stack: &[&Point]) -> String {
    let seconds = || stack.iter().map(|point| point.seconds_after_user);
    let (from, to) = (seconds().min().unwrap_or_default(), seconds().max().unwrap_or_default());
    let (from, to) = (distance(from), distance(to));
    let when = if from == to { from } else { format!("{from} to {to}") };
    format!("{}, {when} the user", count(stack.len(), "key"))
}

/// The largest 1, 2 or 5 times a power of ten that is not over `number`, which is at least 1.
fn round_below(number: usize) -> usize {
    let power = 10_usize.pow(number.max(1).ilog10());
    [5, 2, 1].into_iter().map(|digit| digit * power).find(|round| *round <= number).unwrap_or(power)
}

/// Where a whole second begins and ends on the axis before it is scaled: logarithmic on both sides of the user's creation.
fn start(seconds: i64) -> f64 {
    if seconds >= 0 { (seconds_float(seconds) + 1.0).log10() } else { -(1.0 - seconds_float(seconds)).log10() }
}

fn end(seconds: i64) -> f64 {
    start(seconds.saturating_add(1))
}

/// From seconds to the drawing.
struct Axis {
    first: f64,
    last: f64,
    /// Where no column may reach across.
    cuts: Vec<f64>,
    width: f64,
}

impl Axis {
    fn of(points: &[Point], window: SetupWindow, width: f64) -> Option<Self> {
        let seconds = || points.iter().map(|point| point.seconds_after_user);
        let (earliest, latest) = (seconds().min()?, seconds().max()?);
        let reach = match window {
            SetupWindow::Any => 0,
            SetupWindow::Seconds(seconds) => i64::from(seconds),
        };
        let first = start(earliest.min(-reach)) - 0.15;
        let last = end(latest.max(reach.saturating_mul(10)).max(HOUR)) + 0.15;
        let mut cuts = vec![first, 0.0, last];
        if let SetupWindow::Seconds(_) = window {
            cuts.extend([start(-reach), end(reach)]);
        }
        cuts.sort_by(f64::total_cmp);
        cuts.dedup();
        Some(Self { first, last, cuts, width })
    }

    fn x(&self, place: f64) -> f64 {
        (place - self.first) / (self.last - self.first) * self.width
    }

    /// The middle of a second on the drawing.
    fn place(&self, seconds: i64) -> f64 {
        self.x(f64::midpoint(start(seconds), end(seconds)))
    }

    /// Start and end of every column. None crosses an end of the window: a key one second out of it is seen out of it.
    fn columns(&self) -> Vec<(f64, f64)> {
        let mut columns = Vec::new();
        for (from, to) in self.cuts.iter().zip(self.cuts.iter().skip(1)) {
            let (from, to) = (self.x(*from), self.x(*to));
            let mut number = 1.0;
            while (number + 1.0) * COLUMN <= to - from {
                number += 1.0;
            }
            let width = (to - from) / number;
            let mut column = 0.0;
            while column < number {
                columns.push((from + column * width, from + (column + 1.0) * width));
                column += 1.0;
            }
        }
        columns
    }

    fn ticks(&self) -> Vec<Tick> {
        const LENGTHS: [(i64, &str); 9] = [
            (YEAR, "1 year"),
            (DAY, "1 day"),
            (MINUTE, "1 min"),
            (HOUR, "1 h"),
            (10 * YEAR, "10 years"),
            (MONTH, "30 days"),
            (1, "1 s"),
            (10, "10 s"),
            (10 * MINUTE, "10 min"),
        ];
        let mut ticks = vec![Tick { at: self.x(0.0), label: "0".to_owned() }];
        let before = |(length, label): (i64, &str)| (-length, format!("−{label}"));
        let after = |(length, label): (i64, &str)| (length, label.to_owned());
        for (seconds, label) in LENGTHS.into_iter().map(after).chain(LENGTHS.into_iter().map(before)) {
            let at = self.place(seconds);
            let inside = at > LABEL_DISTANCE / 3.0 && at < self.width - LABEL_DISTANCE / 3.0;
            if inside && ticks.iter().all(|tick| (tick.at - at).abs() >= LABEL_DISTANCE) {
                ticks.push(Tick { at, label });
            }
        }
        ticks
    }
}

/// A row of the chart in numbers.
#[derive(Debug)]
pub(super) struct Range {
    pub(super) label: String,
    pub(super) setup: usize,
    pub(super) excepted: usize,
    pub(super) other: usize,
}

/// How many keys of each kind were made in which time, the window apart.
pub(super) fn in_numbers(points: &[Point], window: SetupWindow) -> Vec<Range> {
    // The last second of each range, and its name.
    let mut ranges: Vec<(i64, String)> = Vec::new();
    let mut so_far = None;
    match window {
        SetupWindow::Seconds(seconds) => {
            ranges.push((-i64::from(seconds) - 1, format!("more than {seconds} s before the user")));
            if seconds > 0 {
                ranges.push((-1, format!("{seconds} s to 1 s before the user")));
            }
            ranges.push((seconds.into(), format!("0 s to {seconds} s after the user")));
            so_far = Some((i64::from(seconds), format!("{seconds} s")));
        }
        SetupWindow::Any => ranges.push((-1, "before the user".to_owned())),
    }
    for (length, name) in [(HOUR, "1 h"), (DAY, "1 day"), (MONTH, "30 days"), (YEAR, "365 days")] {
        match so_far.replace((length, name.to_owned())) {
            None => ranges.push((length, format!("up to {name} after the user"))),
            Some((before, from)) if before < length => ranges.push((length, format!("over {from}, up to {name}"))),
            wider => so_far = wider,
        }
    }
    ranges.push((i64::MAX, "over 365 days".to_owned()));

    let empty = |label: &String| Range { label: label.clone(), setup: 0, excepted: 0, other: 0 };
    let mut rows: Vec<Range> = ranges.iter().map(|(_, label)| empty(label)).collect();
    for point in points {
        let place = ranges.partition_point(|(last, _)| *last < point.seconds_after_user);
        let Some(row) = rows.get_mut(place) else { continue };
        *match point.kind {
            Kind::Setup => &mut row.setup,
            Kind::Excepted => &mut row.excepted,
            Kind::Other => &mut row.other,
        } += 1;
    }
    rows
}

#[allow(clippy::cast_precision_loss, reason = "seconds and counts are far below 2^52, and this is a drawing")]
fn seconds_float(seconds: i64) -> f64 {
    seconds as f64
}

#[allow(clippy::cast_precision_loss, reason = "seconds and counts are far below 2^52, and this is a drawing")]
fn float(number: usize) -> f64 {
    number as f64
}
