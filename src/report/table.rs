//! A table, for people.

use std::io::{self, IsTerminal, Write};

use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, Width, presets};

use super::{AuditReport, JudgedUser, NO_EXCEPTIONS, Source, iso};
use crate::rule::exception::{EXPIRING_DAYS, Exception};
use crate::rule::verdict::{Cleared, Summary, Verdict};
use crate::text::{count, printable};

/// Columns of a terminal that has too few for a table.
const NARROW: u16 = 60;

/// How the table looks where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Style {
    /// Columns of the terminal; `None` if it is no terminal, and nothing is wrapped.
    pub width: Option<u16>,
    /// Whether verdicts are coloured.
    pub color: bool,
    /// Whether what to do next is left out.
    pub quiet: bool,
}

/// Columns of the terminal on standard output; `None` if it is no terminal, and nothing is wrapped.
#[must_use]
pub fn terminal_width() -> Option<u16> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(stdout).map(|(width, _)| width.0)
}

/// Writes the audit as a table: NON_COMPLIANT users first, then a summary and what to do next. With several accounts, each
/// row names its own, and so does each summary.
///
/// # Errors
///
/// - [`io::Error`] of the output.
pub fn write(report: &AuditReport, style: Style, output: &mut dyn Write) -> io::Result<()> {
    let users = report.ranked_users();
    let several = report.accounts.len() > 1;
    match style.width {
        Some(width) if width < NARROW => write_list(&users, several, output)?,
        _ => write_users(&users, several, style, output)?,
    }
    writeln!(output)?;

    let summary = report.summary();
    if several {
        for account in &report.accounts {
            let name = format!("Account {}", printable(account.account.as_deref().unwrap_or("unknown")));
            write_summary(&name, account.summary, output)?;
        }
        write_summary(&format!("All {} accounts", report.accounts.len()), summary, output)?;
    } else {
        let name = format!("Account {}", printable(report.account.as_deref().unwrap_or("unknown")));
        write_summary(&name, summary, output)?;
    }
    match report.not_judged() {
        (0, 0) => {}
        (users, 0) => writeln!(output, "Not judged: {} (see the errors)", count(users, "user"))?,
        (users, others) => {
            let (users, others) = (count(users, "user"), count(others, "report"));
            writeln!(output, "Not judged: {users}, {others} (see the errors)")?;
        }
    }
    if summary.expiring > 0 {
        writeln!(output, "Exceptions that end within {EXPIRING_DAYS} days: {}", expiring_exceptions(report))?;
    }
    let what = if several { "credential reports" } else { "credential report" };
    match &report.source {
        Source::CredentialReport { file, generated: None } => {
            let file = printable(file);
            writeln!(output, "Source: {what} {file}, up to four hours older than its download; {NO_EXCEPTIONS}")?;
        }
        Source::CredentialReport { file, generated: Some(generated) } => {
            let (file, generated) = (printable(file), iso(*generated));
            let oldest = if several { "the oldest " } else { "" };
            writeln!(output, "Source: {what} {file}, {oldest}generated {generated}; {NO_EXCEPTIONS}")?;
        }
        Source::Live { .. } => writeln!(output, "Source: IAM, read {}", iso(report.generated))?,
    }
    if summary.non_compliant > 0 && !style.quiet {
        writeln!(
            output,
            "Next: deactivate keys that were never used, delete them later; have their owners rotate the others"
        )?;
    }
    Ok(())
}

/// The users in columns.
fn write_users(users: &[&JudgedUser], several: bool, style: Style, output: &mut dyn Write) -> io::Result<()> {
    let mut table = new_table(style.width);
    let account = several.then_some("ACCOUNT");
    table.set_header(account.into_iter().chain(["USER", "COMPLIANCE", "ANNOTATION"]));
    for user in users {
        let account = several.then(|| Cell::new(printable(user.account.as_deref().unwrap_or("unknown"))));
        let verdict = Cell::new(user.verdict.compliance_type());
        let verdict = match color(&user.verdict) {
            Some(color) if style.color => verdict.fg(color),
            _ => verdict,
        };
        let rest = [Cell::new(printable(&user.user_name)), verdict, Cell::new(printable(&user.annotation))];
        table.add_row(account.into_iter().chain(rest));
    }
    if style.color {
        table.enforce_styling();
    } else {
        table.force_no_tty();
    }
    if let Some(width) = style.width {
        keep_names_whole(&mut table, width);
    }
    write_table(&table, output)
}

/// The users one below the other, for a terminal that has no room for columns: it breaks the lines itself.
fn write_list(users: &[&JudgedUser], several: bool, output: &mut dyn Write) -> io::Result<()> {
    for user in users {
        write!(output, "{} {}", user.verdict.compliance_type(), printable(&user.user_name))?;
        if several {
            write!(output, " of {}", printable(user.account.as_deref().unwrap_or("unknown")))?;
        }
        writeln!(output, "\n  {}", printable(&user.annotation))?;
    }
    Ok(())
}

/// What tells the users apart is not cut up to make room for sentences, unless it would take the room of all else.
fn keep_names_whole(table: &mut Table, width: u16) {
    let most = width / 5 * 2;
    let widths = table.column_max_content_widths();
    let Some((_sentences, names)) = widths.split_last() else { return };
    let longest_name = names.len().saturating_sub(2);
    for (place, column) in table.column_iter_mut().take(names.len()).enumerate() {
        column.set_constraint(if place == longest_name && widths[place] > most {
            ColumnConstraint::Absolute(Width::Fixed(most))
        } else {
            ColumnConstraint::ContentWidth
        });
    }
}

const fn color(verdict: &Verdict) -> Option<Color> {
    match verdict {
        Verdict::NonCompliant { .. } => Some(Color::Red),
        Verdict::Compliant(Cleared::Excepted { .. }) => Some(Color::Yellow),
        Verdict::Compliant(_) => Some(Color::Green),
        Verdict::NotApplicable(_) => None,
    }
}

fn write_summary(name: &str, summary: Summary, output: &mut dyn Write) -> io::Result<()> {
    let Summary { compliant, non_compliant, excepted, expiring: _, total } = summary;
    let by_exception = if excepted > 0 { format!(" ({excepted} by exception)") } else { String::new() };
    let total = count(total, "user");
    writeln!(output, "{name}: {total}, {non_compliant} NON_COMPLIANT, {compliant} COMPLIANT{by_exception}")
}

/// `frank (2026-03-14, owner ops), …`, the first to end first.
fn expiring_exceptions(report: &AuditReport) -> String {
    let with_exception = report.users.iter().filter_map(|user| Some((user, user.verdict.exception()?)));
    let mut expiring: Vec<_> = with_exception.filter(|(_, exception)| exception.is_expiring()).collect();
    expiring.sort_by_key(|(_, exception)| exception.expires);
    let each = expiring.into_iter().map(|(user, exception)| {
        let Exception { owner, expires, .. } = exception;
        format!("{} ({expires}, owner {})", printable(&user.user_name), printable(owner))
    });
    each.collect::<Vec<_>>().join(", ")
}

/// Writes rows under a header, columns aligned, wrapped to the width if there is one.
///
/// # Errors
///
/// - [`io::Error`] of the output.
pub fn write_rows<const COLUMNS: usize>(
    header: [&str; COLUMNS],
    rows: impl IntoIterator<Item = [String; COLUMNS]>,
    width: Option<u16>,
    output: &mut dyn Write,
) -> io::Result<()> {
    let mut table = new_table(width);
    table.set_header(header);
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell)));
    }
    table.force_no_tty();
    write_table(&table, output)
}

fn new_table(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    match width {
        Some(width) => table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic),
        None => table.set_content_arrangement(ContentArrangement::Disabled),
    };
    table
}

fn write_table(table: &Table, output: &mut dyn Write) -> io::Result<()> {
    writeln!(output, "{}", table.trim_fmt())
}
