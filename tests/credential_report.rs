//! The credential report: its forms, its columns, and rows that cannot be judged.

#[macro_use]
#[path = "support/cases.rs"]
mod cases;

use chrono::{DateTime, Utc};
use futures_util::FutureExt as _;
use setup_keys::credential_report::{ReportError, ReportSource, Row, open};
use setup_keys::judge::FactSource;
use setup_keys::rule::Need;
use setup_keys::rule::facts::{AccessKey, Facts, KeyName, KeyStatus, Keys, LastUse, LoginProfile};
use setup_keys::rule::parameters::Parameters;
use setup_keys::rule::verdict::ComplianceType;

const HEADER: &str = "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,\
    password_next_rotation,mfa_active,access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,\
    access_key_1_last_used_region,access_key_1_last_used_service,access_key_2_active,access_key_2_last_rotated,\
    access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,cert_1_active,\
    cert_1_last_rotated,cert_2_active,cert_2_last_rotated";
const ROOT: &str = "<root_account>,arn:aws:iam::111122223333:root,2020-01-01T00:00:00+00:00,not_supported,\
    2026-01-05T08:00:00+00:00,not_supported,not_supported,true,false,N/A,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A";
const ALICE: &str = "alice,arn:aws:iam::111122223333:user/alice,2026-03-02T10:15:01+00:00,true,no_information,\
    2026-03-02T10:15:03+00:00,N/A,false,true,2026-03-02T10:15:04+00:00,N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A";
const SVC: &str = "svc,arn:aws:iam::111122223333:user/svc,2025-05-01T09:00:00Z,FALSE,N/A,N/A,N/A,false,TRUE,\
    2025-05-01T09:00:02Z,2026-03-01T01:15:00+01:00,us-east-1,sts,false,2025-04-30T00:00:00Z,N/A,N/A,N/A,false,N/A,false,N/A";

fn report(rows: &[&str]) -> String {
    let mut lines = vec![HEADER];
    lines.extend(rows);
    lines.join("\n")
}

fn read(text: &[u8]) -> Result<Vec<Result<Row, ReportError>>, ReportError> {
    Ok(open(text)?.collect())
}

/// The rows of a report in which every row is usable.
#[track_caller]
fn rows(text: impl AsRef<[u8]>) -> Vec<Row> {
    read(text.as_ref()).unwrap().into_iter().map(Result::unwrap).collect()
}

fn names(rows: &[Row]) -> Vec<&str> {
    rows.iter().map(|row| row.facts.user_name.as_str()).collect()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn base64(text: &str) -> String {
    use base64::prelude::*;
    BASE64_STANDARD.encode(text)
}

/// Alice with one cell replaced, the column found by its name.
fn alice_with(column: &str, value: &str) -> String {
    let place = HEADER.split(',').position(|name| name == column).unwrap();
    let mut cells: Vec<&str> = ALICE.split(',').collect();
    cells[place] = value;
    cells.join(",")
}

#[test]
fn rows_become_facts() {
    let rows = rows(report(&[ROOT, ALICE, SVC]));
    assert_eq!(names(&rows), ["alice", "svc"], "the root user is left out");
    let svc = &rows[1].facts;
    assert_eq!(svc.created, Some(time("2025-05-01T09:00:00Z")));
    assert_eq!(svc.login_profile, LoginProfile::Absent);
    let key = |slot, status, created, last_use| AccessKey {
        name: KeyName::Slot(slot),
        status,
        created: time(created),
        last_use,
    };
    let used = LastUse::At(time("2026-03-01T00:15:00Z"));
    assert_eq!(
        svc.keys,
        Keys::All(vec![
            key(1, KeyStatus::Active, "2025-05-01T09:00:02Z", used),
            key(2, KeyStatus::Inactive, "2025-04-30T00:00:00Z", LastUse::Never),
        ]),
        "an inactive key keeps its date; only a missing key has none"
    );
    assert_eq!(rows[0].facts.login_profile, LoginProfile::Present);
    assert_eq!(rows[0].line, 3);
}

mod forms {
    use super::*;

    #[track_caller]
    fn reads_alice(text: impl AsRef<[u8]>) {
        assert_eq!(names(&rows(text)), ["alice"]);
    }

    cases! { reads_alice:
        lines_that_end_in_lf => (report(&[ROOT, ALICE]) + "\n");
        no_newline_at_the_end => (report(&[ROOT, ALICE]));
        lines_that_end_in_crlf => (report(&[ROOT, ALICE, ""]).replace('\n', "\r\n"));
        a_byte_order_mark => (format!("\u{feff}{}", report(&[ROOT, ALICE])));
        quoted_fields => (report(&[ROOT, ALICE]).split('\n').map(|line| format!("\"{}\"\n", line.replace(',', "\",\""))).collect::<Vec<_>>().concat());
        json_of_the_aws_cli => (format!(
            "{{\n  \"Content\": \"{}\",\n  \"ReportFormat\": \"text/csv\",\n  \"GeneratedTime\": \"2026-05-03T08:00:00+00:00\"\n}}",
            base64(&report(&[ROOT, ALICE]))
        ));
        bare_base64 => (base64(&report(&[ROOT, ALICE])) + "\n");
        base64_in_quotes => (format!("\"{}\"\n", base64(&report(&[ROOT, ALICE]))));
        base64_in_lines_of_76 => (base64(&report(&[ROOT, ALICE])).as_bytes().chunks(76).map(|line| format!("{}\n", std::str::from_utf8(line).unwrap())).collect::<Vec<_>>().concat());
        a_23rd_column => (report(&[ROOT, ALICE]).replace("cert_2_last_rotated", "cert_2_last_rotated,additional_credentials_info").replace("false,N/A\n", "false,N/A,N/A\n") + ",N/A");
        names_of_columns_in_another_case => (report(&[ROOT, ALICE]).replacen("user,arn", "User,ARN", 1));
        the_same_user_twice => (report(&[ROOT, ALICE, ALICE]));
        the_first_user_twice => (report(&[ALICE, ALICE]));
        a_blank_first_line => (format!("\n{}", report(&[ROOT, ALICE])));
    }

    #[test]
    fn blanks_around_cells_change_nothing() {
        for blanks in [" ,", ", ", "\t,\t"] {
            assert_eq!(rows(report(&[ROOT, ALICE]).replace(',', blanks)), rows(report(&[ROOT, ALICE])));
        }
    }

    #[test]
    fn a_23rd_column_that_says_nothing_hides_no_keys() {
        for nothing in ["N/A", "", "not_supported", "no_information"] {
            let text = format!("{HEADER},additional_credentials_info\n{ALICE},{nothing}");
            assert_eq!(rows(text), rows(report(&[ALICE])));
        }
    }

    #[test]
    fn the_account_is_told_by_the_first_row() {
        let text = report(&[ROOT, ALICE, SVC]);
        let mut rows = open(text.as_bytes()).unwrap();
        assert_eq!(rows.account(), None);
        rows.next().unwrap().unwrap();
        assert_eq!(rows.account(), Some("111122223333"));
    }

    #[test]
    fn a_user_whose_arn_names_another_partition() {
        let elsewhere = ALICE.replacen("arn:aws:", "arn:aws-cn:", 1);
        assert_eq!(names(&rows(report(&[ROOT, &elsewhere, SVC]))), ["alice", "svc"]);
    }

    #[test]
    fn columns_in_any_order() {
        let reversed: Vec<String> = report(&[ROOT, ALICE])
            .split('\n')
            .map(|line| line.split(',').rev().collect::<Vec<_>>().join(","))
            .collect();
        assert_eq!(rows(reversed.join("\n"))[0].facts, rows(report(&[ALICE]))[0].facts);
    }

    #[test]
    fn the_time_of_generation_is_told_by_json() {
        let json =
            format!("{{\"Content\": \"{}\", \"GeneratedTime\": \"2026-05-03T08:00:00+00:00\"}}", base64(&report(&[])));
        assert_eq!(open(json.as_bytes()).unwrap().generated(), Some(time("2026-05-03T08:00:00Z")));
        assert_eq!(open(report(&[]).as_bytes()).unwrap().generated(), None);
    }

    #[test]
    fn a_name_with_a_comma() {
        let name = "a+b=c,d.e@f-g_h";
        let quoted = ALICE.replacen("alice", &format!("\"{name}\""), 1);
        assert_eq!(names(&rows(report(&[&quoted]))), [name]);
    }

    #[test]
    fn a_third_slot_counts() {
        let header = format!("{HEADER},access_key_3_active,access_key_3_last_rotated,access_key_3_last_used_date");
        let text = format!("{header}\n{SVC},true,2025-05-01T09:00:00Z,N/A");
        assert_eq!(rows(text)[0].facts.keys.known().len(), 3);
    }

    #[test]
    fn the_root_user_is_left_out_whatever_its_columns_say() {
        let with_password = ROOT.replacen("not_supported", "true", 1).replacen("false", "true", 1);
        let by_arn_only = with_password.replacen("<root_account>", "root", 1);
        assert!(rows(report(&[&with_password])).is_empty());
        assert!(rows(report(&[&by_arn_only])).is_empty());
    }
}

/// Times as IAM writes them are read by a way of their own.
mod times {
    use super::*;

    #[track_caller]
    fn is_read_as_rfc_3339_says(text: &str) {
        let rows = rows(report(&[&alice_with("user_creation_time", text)]));
        assert_eq!(rows[0].facts.created, Some(DateTime::parse_from_rfc3339(text).unwrap().to_utc()));
    }

    cases! { is_read_as_rfc_3339_says:
        in_utc => ("2026-03-02T10:15:01Z");
        at_an_offset_of_zero => ("2026-03-02T10:15:01+00:00");
        at_another_offset => ("2026-03-02T10:15:01-02:30");
        with_a_fraction => ("2026-03-02T10:15:01.5Z");
        on_a_leap_day => ("2024-02-29T00:00:00Z");
        of_ones_only => ("2011-11-11T11:11:11Z");
        of_zeros_and_ones => ("2001-01-01T01:01:01Z");
        before_midnight_on_the_last_day_of_the_century => ("1999-12-31T23:59:59+00:00");
        at_a_leap_second => ("2016-12-31T23:59:60Z");
    }

    #[track_caller]
    fn is_none(text: &str) {
        let refused = read(report(&[&alice_with("user_creation_time", text)]).as_bytes()).unwrap().remove(0);
        let message = format!("column `user_creation_time` is `{text}`, which is not a time");
        assert_eq!(refused.unwrap_err().to_string(), message);
    }

    // The characters that follow the digits are `:;<`.
    cases! { is_none:
        a_day_that_the_calendar_has_not => ("2026-02-29T10:15:01Z");
        an_hour_that_the_day_has_not => ("2026-03-02T24:00:00Z");
        no_offset => ("2026-03-02T10:15:01");
        blanks_in_it => ("2026-03- 2T10:15:01Z");
        a_year_with_a_letter => ("z026-03-02T10:15:01Z");
        a_year_after_9999 => (":026-03-02T10:15:01Z");
        a_day_after_the_ninth => ("2026-03-0:T10:15:01Z");
        units_of_ten => ("2:2:-0:-0:T0::0::0:Z");
        units_of_eleven => ("2;2;-0;-0;T0;:0;:0;Z");
    }
}

mod refuses {
    use super::*;

    #[track_caller]
    fn file(text: impl AsRef<[u8]>, message: &str) {
        assert_eq!(open(text.as_ref()).err().expect("it is refused").to_string(), message);
    }

    cases! { file:
        an_empty_file => ("", "not a credential report: it is empty");
        a_byte_order_mark_alone => ("\u{feff}", "not a credential report: it is empty");
        a_missing_column => (report(&[ALICE]).replacen("password_enabled", "password", 1),
            "not a credential report: its first line has no column `password_enabled`");
        a_missing_second_slot => (report(&[]).replacen("access_key_2_active", "x", 1),
            "not a credential report: its first line has no column `access_key_2_active`");
        a_column_that_stands_twice => (report(&[]).replacen("cert_1_active", "user", 1),
            "not a credential report: column `user` stands twice");
        text_that_is_neither => ("hello, world\n", "not a credential report: its first line has no column `access_key_1_active`");
        json_of_something_else => ("{\"State\": \"COMPLETE\"}",
            "not a credential report: JSON without a credential report: missing field `Content` at line 1 column 21");
        base64_that_is_cut => (&base64(&report(&[ALICE]))[..101], "not a credential report: neither CSV nor base64: Invalid input length: 101");
        bytes_that_are_no_text => ([0xff, 0xfe, 0x00, b'\n'], "not a credential report: its first line has no column `access_key_1_active`");
    }

    /// An account has its root user at least: who filters rows, or has a download cut short, must not be told that all is well.
    #[test]
    fn a_report_without_rows() {
        let text = report(&[]);
        let mut rows = open(text.as_bytes()).unwrap();
        let error = rows.next().expect("it is refused").unwrap_err();
        assert_eq!(error.to_string(), "not a credential report: it has no rows, not even that of the root user");
        assert!(rows.next().is_none(), "once");
    }

    /// What is said of a row; the other rows are still read.
    #[track_caller]
    fn row(bad: impl AsRef<[u8]>, message: &str) {
        let mut text = report(&[ROOT, ""]).into_bytes();
        text.extend_from_slice(bad.as_ref());
        text.extend_from_slice(b"\n");
        text.extend_from_slice(SVC.as_bytes());
        let mut users = 0;
        let mut errors = Vec::new();
        for row in read(&text).unwrap() {
            match row.and_then(|row| row.judge(&Parameters::default(), time("2026-05-03T00:00:00Z"))) {
                Ok(_) => users += 1,
                Err(error) => errors.push((error.line(), error.to_string())),
            }
        }
        assert_eq!(errors, [(Some(3), message.to_owned())]);
        assert_eq!(users, 1);
    }

    cases! { row:
        a_dated_key_of_which_it_is_not_told_whether_it_is_active => (alice_with("access_key_1_active", "N/A"),
            "user `alice` cannot be judged: column `access_key_1_active` is `N/A`, but column `access_key_1_last_rotated` is `2026-03-02T10:15:04+00:00`");
        another_account => (alice_with("arn", "arn:aws:iam::444455556666:user/alice"),
            "column `arn`: account `444455556666` is not that of the rows before, `111122223333`");
        an_active_key_without_a_date => (alice_with("access_key_1_last_rotated", "N/A"),
            "user `alice` cannot be judged: column `access_key_1_active` is `true`, but column `access_key_1_last_rotated` is `N/A`");
        a_date_that_is_none => (alice_with("user_creation_time", "2026-13-01T00:00:00Z"),
            "column `user_creation_time` is `2026-13-01T00:00:00Z`, which is not a time");
        a_creation_time_that_matters_and_is_not_there => (alice_with("user_creation_time", "N/A"),
            "user `alice` cannot be judged: column `user_creation_time` is `N/A`");
        a_flag_that_is_none => (alice_with("access_key_1_active", "yes"), "column `access_key_1_active` is `yes`, neither true nor false");
        a_password_that_matters_and_is_not_told => (alice_with("password_enabled", "not_supported"),
            "user `alice` cannot be judged: column `password_enabled` is `not_supported`");
        a_last_use_that_is_no_time => (alice_with("access_key_1_last_used_date", "never"),
            "column `access_key_1_last_used_date` is `never`, which is not a time");
        an_arn_that_is_none => (alice_with("arn", "alice"), "column `arn`: `alice` is not an ARN");
        no_name => (alice_with("user", ""), "column `user` is empty");
        too_few_columns => ("alice,arn:aws:iam::111122223333:user/alice", "the row has 2 columns, the first line has 22");
        too_many_columns => (format!("{ALICE},x"), "the row has 23 columns, the first line has 22");
        bytes_that_are_not_utf_8 => ([b"\xff", ALICE.as_bytes()].concat(), "column `user` is not UTF-8");
    }

    #[test]
    fn to_clear_a_user_whose_report_hides_keys() {
        let header = format!("{HEADER},additional_credentials_info");
        let hidden = |row: &str| format!("{header}\n{row},2 more: ListAccessKeys");
        let judge = |text: String| rows(text)[0].judge(&Parameters::default(), time("2026-05-03T00:00:00Z"));
        let cleared = judge(hidden(&alice_with("access_key_1_last_rotated", "2026-04-02T10:15:04Z")));
        assert_eq!(
            cleared.unwrap_err().to_string(),
            "user `alice` cannot be judged: it may have keys beside those listed: column `additional_credentials_info` is \
             `2 more: ListAccessKeys`"
        );
        assert_eq!(judge(hidden(ALICE)).unwrap().compliance_type(), ComplianceType::NonCompliant);
        assert_eq!(judge(hidden(SVC)).unwrap().compliance_type(), ComplianceType::Compliant, "no password");
    }

    #[test]
    fn a_directory() {
        let directory = std::fs::File::open("examples").unwrap();
        let error = open(std::io::BufReader::new(directory)).err().expect("it is refused");
        assert_eq!(error.to_string(), "cannot be read: Is a directory (os error 21)");
    }
}

/// A report in place of live reads: of the user of an event.
mod offline {
    use super::*;

    /// What is known of a user after a look into a report of these rows, or why nothing is.
    fn looked_up(rows: &[&str], mut user: Facts) -> Result<Facts, String> {
        let source = ReportSource::read(open(report(rows).as_bytes()).unwrap()).unwrap();
        let read = FactSource::read(&source, &mut user, &[Need::Keys]);
        read.now_or_never().expect("a report is there at once").map(|()| user).map_err(|error| error.to_string())
    }

    #[test]
    fn a_user_is_as_its_row_says_and_keeps_its_id() {
        let user_id = Some("AIDAEXAMPLEALICE00001".to_owned());
        let row = rows(report(&[ALICE])).remove(0).facts;
        for created in [None, row.created] {
            let user = Facts { user_id: user_id.clone(), created, ..Facts::unread("alice") };
            assert_eq!(looked_up(&[ROOT, ALICE, SVC], user), Ok(Facts { user_id: user_id.clone(), ..row.clone() }));
        }
    }

    #[track_caller]
    fn is_not_told(user: Facts, message: &str) {
        let row = alice_with("access_key_1_last_rotated", "N/A");
        assert_eq!(looked_up(&[ROOT, &row, SVC], user), Err(message.to_owned()));
    }

    cases! { is_not_told:
        of_a_user_that_is_not_in_it => (Facts::unread("zoe"),
            "user `zoe` cannot be judged: the credential report has no such user; it may be up to four hours old");
        of_a_user_made_again => (Facts { created: Some(time("2025-05-01T09:00:01Z")), ..Facts::unread("svc") },
            "user `svc` cannot be judged: the event's user was created 2025-05-01 09:00:01 UTC, that of the credential report \
             2025-05-01 09:00:00 UTC");
        what_the_row_does_not_say => (Facts::unread("alice"),
            "user `alice` cannot be judged: column `access_key_1_active` is `true`, but column \
             `access_key_1_last_rotated` is `N/A`");
    }

    #[test]
    fn the_account_is_that_of_its_rows() {
        let account = |rows: &[&str]| {
            let source = ReportSource::read(open(report(rows).as_bytes()).unwrap()).unwrap();
            source.account().map(str::to_owned)
        };
        assert_eq!(account(&[ROOT, ALICE]).as_deref(), Some("111122223333"));
        assert_eq!(account(&[ROOT]).as_deref(), Some("111122223333"));
    }
}
