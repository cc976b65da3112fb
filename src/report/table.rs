//! A table, for people.

use std::io::{self, IsTerminal, Write};

use comfy_table::{ContentArrangement, Table, presets};

use super::{AuditReport, JudgedUser, NO_EXCEPTIONS, Source, iso};
use crate::rule::exception::{EXPIRING_DAYS, Exception};
use crate::rule::verdict::{Cleared, Summary, Verdict};
use crate::text::{count, printable};

/// Columns of the terminal on standard output; `None` if it is no terminal, and nothing is wrapped.
#[must_use]
pub fn terminal_width() -> Option<u16> {
    let stdout = io::stdout();
    if !stdout.is_terminal() {
        return None;
    }
    terminal_size::terminal_size_of(stdout).map(|(width, _)| width.0)
}

/// Writes the audit as a table: NON_COMPLIANT users first, then a summary and what to do next.
///
/// # Errors
///
/// - [`io::Error`] of the output.
pub fn write(report: &AuditReport, width: Option<u16>, output: &mut dyn Write) -> io::Result<()> {
    let mut users: Vec<&JudgedUser> = report.users.iter().collect();
    // Within each group the order of the source stays.
    users.sort_by_key(|user| match user.verdict {
        Verdict::NonCompliant { .. } => 0,
        Verdict::Compliant(Cleared::Excepted { .. }) => 1,
        Verdict::Compliant(_) | Verdict::NotApplicable(_) => 2,
    });
    let rows = users
        .into_iter()
        .map(|user| [user.user_name.clone(), user.verdict.compliance_type().to_string(), user.annotation.clone()]);
    write_rows(["USER", "COMPLIANCE", "ANNOTATION"], rows, width, output)?;
    writeln!(output)?;

    let Summary { compliant, non_compliant, excepted, expiring, total } = report.summary();
    let account = report.account.as_deref().unwrap_or("unknown");
    let by_exception = if excepted > 0 { format!(" ({excepted} by exception)") } else { String::new() };
    let total = count(total, "user");
    writeln!(output, "Account {account}: {total}, {non_compliant} NON_COMPLIANT, {compliant} COMPLIANT{by_exception}")?;
    if !report.errors.is_empty() {
        writeln!(output, "Not judged: {} (see the errors)", count(report.errors.len(), "user"))?;
    }
    if expiring > 0 {
        writeln!(output, "Exceptions that end within {EXPIRING_DAYS} days: {}", expiring_exceptions(report))?;
    }
    match &report.source {
        Source::CredentialReport { file, generated: None } => {
            let file = printable(file);
            writeln!(
                output,
                "Source: credential report {file}, up to four hours older than its download; {NO_EXCEPTIONS}"
            )?;
        }
        Source::CredentialReport { file, generated: Some(generated) } => {
            let (file, generated) = (printable(file), iso(*generated));
            writeln!(output, "Source: credential report {file}, generated {generated}; {NO_EXCEPTIONS}")?;
        }
        Source::Live { .. } => writeln!(output, "Source: IAM, read {}", iso(report.generated))?,
    }
    if non_compliant > 0 {
        writeln!(
            output,
            "Next: deactivate keys that were never used, delete them later; have their owners rotate the others"
        )?;
    }
    Ok(())
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
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header);
    if let Some(width) = width {
        table.set_width(width).set_content_arrangement(ContentArrangement::Dynamic);
    }
    for row in rows {
        table.add_row(row.map(|cell| printable(&cell)));
    }
    writeln!(output, "{}", table.trim_fmt())
}
