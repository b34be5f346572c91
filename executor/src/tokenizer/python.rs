//! The few functions of Python that chat templates count on.

use std::fmt::Write;

use minijinja::value::{Value, ValueKind};

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date {
    year: u16,
    month: u8,
    day: u8,
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl Date {
    /// A day between the years 1000 and 9999; month and day count from 1. None if there is no such day.
    pub fn new(year: u16, month: u8, day: u8) -> Option<Self> {
        let leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
        let days = match month {
            2 if leap => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            1..=12 => 31,
            _ => 0,
        };
        let valid = (1000..=9999).contains(&year) && (1..=days).contains(&day);
        valid.then_some(Self { year, month, day })
    }

    fn month_name(self) -> &'static str {
        MONTHS.get(usize::from(self.month) - 1).copied().unwrap_or_default()
    }

    /// Zeller's congruence, with Sunday first.
    fn day_name(self) -> &'static str {
        let (year, month) = match self.month {
            1 | 2 => (u32::from(self.year) - 1, u32::from(self.month) + 12),
            month => (u32::from(self.year), u32::from(month)),
        };
        let day = u32::from(self.day) + 13 * (month + 1) / 5 + year + year / 4 - year / 100 + year / 400;
        DAYS.get((day as usize + 6) % 7).copied().unwrap_or_default()
    }
}

/// `datetime.strftime` for what concerns the day; the time of day is refused.
pub(super) fn strftime(date: Date, format: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match chars.next() {
            Some('d') => text.push_str(&format!("{:02}", date.day)),
            Some('m') => text.push_str(&format!("{:02}", date.month)),
            Some('y') => text.push_str(&format!("{:02}", date.year % 100)),
            Some('Y') => text.push_str(&date.year.to_string()),
            Some('B') => text.push_str(date.month_name()),
            Some('b') => text.push_str(short(date.month_name())),
            Some('A') => text.push_str(date.day_name()),
            Some('a') => text.push_str(short(date.day_name())),
            Some('%') => text.push('%'),
            other => {
                return Err(format!("strftime_now: %{} is not supported", other.unwrap_or(' ')));
            }
        }
    }
    Ok(text)
}

fn short(name: &'static str) -> &'static str {
    name.get(..3).unwrap_or(name)
}

/// Deepest nesting that [`to_json`] follows.
const DEPTH_MAX: usize = 64;

/// `json.dumps(value, ensure_ascii=False, indent=indent)`.
pub(super) fn to_json(value: &Value, indent: Option<usize>) -> Result<String, String> {
    let mut text = String::new();
    write_json(&mut text, value, indent, 0)?;
    Ok(text)
}

fn write_json(text: &mut String, value: &Value, indent: Option<usize>, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("tojson: nested too deeply".into());
    }
    match value.kind() {
        ValueKind::None => text.push_str("null"),
        ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => write!(text, "{value}").map_err(|e| e.to_string())?,
        ValueKind::String => text.push_str(&quote(value)?),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = value.try_iter().map_err(|e| e.to_string())?;
            write_items(text, ('[', ']'), indent, depth, items, |text, item| {
                write_json(text, &item, indent, depth + 1)
            })?;
        }
        ValueKind::Map => {
            let keys = value.try_iter().map_err(|e| e.to_string())?;
            write_items(text, ('{', '}'), indent, depth, keys, |text, key| {
                text.push_str(&quote(&key)?);
                text.push_str(": ");
                let item = value.get_item(&key).map_err(|e| e.to_string())?;
                write_json(text, &item, indent, depth + 1)
            })?;
        }
        kind => return Err(format!("tojson: {kind} cannot be written as JSON")),
    }
    Ok(())
}

fn quote(value: &Value) -> Result<String, String> {
    let text = value.as_str().ok_or("tojson: a key is not a string")?;
    serde_json::to_string(text).map_err(|e| e.to_string())
}

fn write_items(
    text: &mut String,
    (open, close): (char, char),
    indent: Option<usize>,
    depth: usize,
    items: impl Iterator<Item = Value>,
    mut write: impl FnMut(&mut String, Value) -> Result<(), String>,
) -> Result<(), String> {
    let line = |text: &mut String, depth: usize| {
        if let Some(width) = indent {
            text.push('\n');
            text.push_str(&" ".repeat(width * depth));
        }
    };
    text.push(open);
    let mut empty = true;
    for item in items {
        if !empty {
            text.push_str(if indent.is_some() { "," } else { ", " });
        }
        empty = false;
        line(text, depth + 1);
        write(text, item)?;
    }
    if !empty {
        line(text, depth);
    }
    text.push(close);
    Ok(())
}
