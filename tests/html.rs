//! `setup-keys audit --format html`, opened in a browser: what it shows, how it is used, and what it never does.

mod browser;
#[allow(dead_code, reason = "these tests use a part of it")]
mod python_support;
mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use browser::{Browser, ENTER, RIGHT, TAB};
use python_support::{isolated, python_file};
use serde_json::{Value, json};
use support::aws::{ACCESS_KEY_ID, AwsDouble, Fault, FaultKind, Key, SECRET_ACCESS_KEY, User};
use support::time;

const EXAMPLE: &str = "examples/credential-report.csv";
const NOW: &str = "2026-05-03T00:00:00Z";

/// The most that a report on 5,000 users may have.
const MOST_BYTES: u64 = 3_000_000;

/// Names of the users that are shown.
const NAMES: &str = "return Array.from(document.querySelectorAll('#table tbody tr'))
    .filter((row) => row.getClientRects().length).map((row) => row.cells[0].firstChild.data)";

/// Name and value of `aria-sort` of the columns that have it.
const SORTED: &str = "return Array.from(document.querySelectorAll('#table [aria-sort]'))
    .map((header) => `${header.innerText.trim()} ${header.getAttribute('aria-sort')}`)";

const COUNT: &str = "return document.getElementById('count').textContent";

fn directory(test: &str) -> PathBuf {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("html").join(test);
    fs::create_dir_all(&directory).unwrap();
    directory
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The page about a credential report.
fn page_of(test: &str, report: &str) -> PathBuf {
    let page = directory(test).join("audit.html");
    // Not that of another run.
    let _ = fs::remove_file(&page);
    let arguments = ["audit", "--format", "html", "--now", NOW, "--credential-report", report, "--output", path(&page)];
    let output = Command::new(env!("CARGO_BIN_EXE_setup-keys")).args(arguments).env_clear().output().unwrap();
    assert_ne!(output.status.code(), None, "{}", String::from_utf8_lossy(&output.stderr));
    page
}

/// A credential report with these rows: user, ARN's path, and from the creation on to the second key's last use.
fn report(test: &str, rows: &str) -> PathBuf {
    let header = fs::read_to_string(EXAMPLE).unwrap().lines().next().unwrap().to_owned();
    let file = directory(test).join("report.csv");
    fs::write(&file, format!("{header}\n{rows}")).unwrap();
    file
}

/// A row of a user with a password and, so many seconds after it, an active key that was never used.
fn row(name: &str, seconds: i64) -> String {
    let key = (time("2026-03-02T10:00:00Z") + chrono::TimeDelta::seconds(seconds)).to_rfc3339();
    let quoted = name.replace('"', "\"\"");
    format!(
        "\"{quoted}\",\"arn:aws:iam::111122223333:user/{quoted}\",2026-03-02T10:00:00Z,true,N/A,N/A,N/A,true,\
         true,{key},N/A,N/A,N/A,false,N/A,N/A,N/A,N/A,false,N/A,false,N/A\n"
    )
}

/// Users of every kind: never, always or sometimes with a key, keys from long before to years after the user.
fn rows(users: i64) -> String {
    let mut rows = String::new();
    for user in 0..users {
        let spread = (user * 7919) % 1009;
        let seconds = match user % 10 {
            0 => spread % 75,
            1 if user % 100 == 1 => -spread,
            _ => 40 + spread * spread * (1 + user % 97),
        };
        let with_key = row(&format!("user-{user:05}"), seconds);
        let used = with_key.replacen("N/A,N/A,N/A,false,N/A", "2026-04-18T09:00:00Z,us-east-1,s3,false,N/A", 1);
        write!(rows, "{}", if user % 3 == 0 { used } else { with_key }).unwrap();
    }
    rows
}

/// An account that has all that a report can show, read live.
fn live(test: &str, account: &AwsDouble, format: &str) -> (PathBuf, Output) {
    let page = directory(test).join(format!("audit.{format}"));
    let output = Command::new(env!("CARGO_BIN_EXE_setup-keys"))
        .args(["audit", "--format", format, "--output", path(&page)])
        .env_clear()
        .env("AWS_ENDPOINT_URL", account.url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        .output()
        .unwrap();
    (page, output)
}

fn day(days: i64) -> String {
    (setup_keys::clock::now() + chrono::TimeDelta::days(days)).date_naive().to_string()
}

const CREATED: &str = "2026-03-02T10:15:01Z";

/// A key of a user with an exception.
fn excepted(name: &str, owner: &str, days: i64, reason: &str) -> User {
    let user = User::new(name, CREATED).password().key(&format!("AKIA{:0<16}", name.to_uppercase()), 4);
    let user = user.tag("setup-keys:exception-owner", owner).tag("setup-keys:exception-expires", &day(days));
    user.tag("setup-keys:exception-reason", reason)
}

fn live_account() -> AwsDouble {
    let used = Key::new("AKIAUSED000000000001", time(CREATED)).last_used(time("2026-03-05T08:00:00Z"));
    AwsDouble::with_users([
        User::new("alice", CREATED).password().key("AKIAUNUSED0000000001", 4).key("AKIALATER00000000002", 90_000_000),
        User::new("bob", CREATED).password().with_key(used),
        User::new("carol", CREATED).password().key("AKIALATER00000000001", 4000),
        User::new("dave", CREATED).key("AKIANOPASSWORD000001", 4),
        User::new("erin", CREATED),
        excepted("frank", "ops", 9, "the build server cannot assume a role before the move"),
        excepted("grace", "payments", 200, "vendor's appliance"),
        excepted("heidi", "ops", -3, "was to be gone by now"),
    ])
}

#[track_caller]
fn assert_quiet(browser: &Browser, page: &Path) {
    assert_eq!(browser.console(), <[String; 0]>::default());
    let own = format!("file://{}", page.display());
    let fetched = browser.fetched();
    assert!(!fetched.is_empty() && fetched.iter().all(|url| *url == own), "{fetched:?}");
}

#[test]
fn the_page_says_what_was_found() {
    let page = page_of("example", EXAMPLE);
    let browser = Browser::start();
    browser.open(&page);
    let text = browser.text("return document.body.innerText");
    for said in [
        "NON_COMPLIANT\n\n6 of 12 users have access keys from user setup that nothing excuses.",
        "Account 111122223333, judged 2026-05-03 00:00:00 UTC",
        "Credential report examples/credential-report.csv",
        "Not known (a credential report has no tags: exceptions cannot be seen)",
        "CIS AWS Foundations",
        "aws iam update-access-key --user-name USER --access-key-id KEY_ID --status Inactive",
        "setup-keys remediate --all --yes",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let violators = ["alice", "bob", "carol", "grace", "ivan,ops@example.com", "judy"];
    let others = ["dave", "deploy-bot", "erin", "frank", "heidi", "mallory"];
    assert_eq!(browser.texts(NAMES), [violators, others].concat());
    let bob = browser
        .texts("return Array.from(document.querySelector('#table tbody').rows[1].cells, (cell) => cell.innerText)");
    assert_eq!(
        bob,
        [
            "bob\narn:aws:iam::111122223333:user/bob",
            "NON_COMPLIANT",
            "key 2 Active\nkey 1 Active",
            "4 s after\n45 s after",
            "never\n2026-04-18",
            "2 setup keys: key 2 made 4 s after the user, never used: deactivate, then delete; key 1 made 45 s after the user, \
             used: rotate.",
        ]
    );
    assert_quiet(&browser, &page);
}

#[test]
fn the_chart_shows_each_key_on_its_side_of_the_window() {
    let page = page_of("chart", EXAMPLE);
    let browser = Browser::start();
    browser.open(&page);
    // Left end, right end and label of every mark, setup keys by another element than the others.
    let marks = browser.script(
        "const chart = document.querySelector('.chart.wide');
        const ends = (element) => { const box = element.getBoundingClientRect(); return [box.left, box.right]; };
        const marks = (selector) => Array.from(chart.querySelectorAll(selector), (mark) => [...ends(mark), mark.textContent]);
        return { window: ends(chart.querySelector('.window')), setup: marks('.setup path'), other: marks('.other circle') };",
    );
    let number = |value: &Value| value.as_f64().unwrap();
    let (from, to) = (number(&marks["window"][0]), number(&marks["window"][1]));
    let inside = |mark: &Value| number(&mark[0]) >= from && number(&mark[1]) <= to;
    let setup = marks["setup"].as_array().unwrap();
    assert_eq!(setup.len(), 7);
    assert!(setup.iter().all(inside), "{marks}");
    let other = |label: &str| {
        let all = marks["other"].as_array().unwrap().iter();
        all.clone()
            .find(|mark| mark[2].as_str().unwrap().starts_with(label))
            .unwrap_or_else(|| panic!("{label}: {marks}"))
    };
    assert_eq!(marks["other"].as_array().unwrap().len(), 7);
    assert!(number(&other("dave, key 1: 61 s after the user")[0]) >= to, "a second too late: {marks}");
    assert!(inside(other("deploy-bot, key 1: 2 s after the user")), "no password: {marks}");
    let before = setup.iter().find(|mark| mark[2] == "grace, key 1: 20 s before the user, Active").unwrap();
    let after = setup.iter().find(|mark| mark[2] == "alice, key 1: 3 s after the user, Active").unwrap();
    assert!(number(&before[1]) < number(&after[0]), "{marks}");
    let numbers =
        browser.texts("return Array.from(document.querySelectorAll('details tbody tr'), (row) => row.textContent)");
    assert_eq!(numbers[1..3], ["60 s to 1 s before the user100", "0 s to 60 s after the user603"]);
}

/// What the rows are sorted by, read off the page: numbers and text of a cell's lines.
fn column(browser: &Browser, place: usize) -> Vec<String> {
    browser.texts(&format!(
        "return Array.from(document.querySelectorAll('#table tbody tr'), (row) => row.cells[{place}].innerText)"
    ))
}

fn seconds(cell: &str) -> Option<i64> {
    let line = cell.lines().next()?;
    let words: Vec<&str> = line.split(' ').collect();
    let length = words[0].parse::<i64>().unwrap() * if words[1] == "s" { 1 } else { 86_400 };
    Some(if words[2] == "before" { -length } else { length })
}

fn latest_use(cell: &str) -> Option<&str> {
    cell.lines().filter(|line| line.starts_with("20")).max()
}

/// Words and numbers in turn, so that 3 comes before 20.
fn natural(cell: &str) -> Vec<(&str, u64)> {
    let pieces = cell.split_inclusive(|c: char| !c.is_ascii_digit());
    pieces.map(|piece| (piece.trim_start_matches(|c: char| c.is_ascii_digit()), digits(piece))).collect()
}

fn digits(piece: &str) -> u64 {
    piece.trim_end_matches(|c: char| !c.is_ascii_digit()).parse().unwrap_or_default()
}

/// Whether the values rise (or fall), those that are missing last.
#[track_caller]
fn assert_sorted<T: PartialOrd + std::fmt::Debug>(values: impl Iterator<Item = Option<T>>, falling: bool) {
    let values: Vec<Option<T>> = values.collect();
    let known = values.iter().take_while(|value| value.is_some()).count();
    assert!(values[known..].iter().all(Option::is_none), "{values:?}");
    let ordered = |pair: &[Option<T>]| if falling { pair[0] >= pair[1] } else { pair[0] <= pair[1] };
    assert!(known > 1 && values[..known].windows(2).all(ordered), "{values:?}");
}

#[track_caller]
fn assert_sorted_by(browser: &Browser, place: usize, falling: bool) {
    let header = ["User", "Verdict", "Keys", "Made, from user", "Last used", "Why, and what to do"][place];
    let direction = if falling { "descending" } else { "ascending" };
    assert_eq!(browser.texts(SORTED), [format!("{header} {direction}")]);
    let cells = column(browser, place);
    match place {
        1 => assert_sorted(cells.iter().map(|verdict| Some(verdict != "NON_COMPLIANT")), falling),
        2 => assert_sorted(cells.iter().map(|keys| Some(keys.lines().count())), falling),
        3 => assert_sorted(cells.iter().map(|cell| seconds(cell)), falling),
        4 => assert_sorted(cells.iter().map(|cell| latest_use(cell)), falling),
        _ => assert_sorted(cells.iter().map(|cell| Some(natural(cell))), falling),
    }
}

#[test]
fn every_column_sorts_by_mouse_and_by_keyboard() {
    let page = page_of("sort", EXAMPLE);
    let browser = Browser::start();
    browser.open(&page);
    assert_eq!(browser.texts(SORTED), ["Verdict ascending"]);
    for place in [0, 2, 3, 4, 5, 1] {
        let button = format!("#table thead th:nth-child({}) button", place + 1);
        browser.click(&button);
        assert_sorted_by(&browser, place, false);
        browser.click(&button);
        assert_sorted_by(&browser, place, true);
    }
    // By keyboard: from the last control of the filter through the headers.
    browser.script("document.querySelector('[name=verdict]:checked').focus()");
    for place in 0..6 {
        browser.press([TAB]);
        for (key, falling) in [(ENTER, place == 99), (' ', true)] {
            browser.press([key]);
            let focus = browser.text("return document.activeElement.parentNode.innerText.trim()");
            assert!(browser.texts(SORTED)[0].starts_with(&focus), "{focus}");
            // Verdict was left descending by the mouse, and is not sorted any more when its turn comes.
            assert_sorted_by(&browser, place, falling);
        }
    }
    assert_quiet(&browser, &page);
}

#[test]
fn the_filter_narrows_by_words_and_verdict() {
    let page = page_of("filter", EXAMPLE);
    let browser = Browser::start();
    browser.open(&page);
    assert_eq!(browser.text(COUNT), "12 of 12 users");
    // By keyboard, from the top of the page: skip link, then what can be tabbed to before the filter.
    browser.press([TAB]);
    assert_eq!(browser.text("return document.activeElement.textContent"), "Skip to the users");
    browser.press([ENTER, TAB]);
    assert_eq!(browser.text("return document.activeElement.id"), "text");
    browser.press("ROTATE bob".chars());
    assert_eq!(browser.texts(NAMES), ["bob"]);
    assert_eq!(browser.text(COUNT), "1 of 12 users");
    assert_eq!(browser.text("return document.getElementById('count').getAttribute('role')"), "status");
    browser.press("x".chars());
    assert_eq!((browser.texts(NAMES).len(), browser.text(COUNT)), (0, "0 of 12 users".to_owned()));
    browser.script("document.getElementById('text').select()");
    browser.press(['\u{e017}', TAB, RIGHT]);
    assert_eq!(browser.text("return document.querySelector('[name=verdict]:checked').value"), "bad");
    assert_eq!(browser.text(COUNT), "6 of 12 users");

    // By mouse; the order of the columns stays with the filter.
    browser.click("[name=verdict][value=good]");
    assert_eq!(browser.texts(NAMES), ["dave", "deploy-bot", "erin", "frank", "heidi", "mallory"]);
    browser.click("#table thead th:nth-child(1) button");
    browser.click("#table thead th:nth-child(1) button");
    assert_eq!(browser.texts(NAMES), ["mallory", "heidi", "frank", "erin", "deploy-bot", "dave"]);
    browser.click("#text");
    browser.press("2026-05-01".chars());
    assert_eq!(browser.texts(NAMES), ["heidi", "deploy-bot"]);
    assert_eq!(browser.text(COUNT), "2 of 12 users");
    assert_quiet(&browser, &page);
}

#[test]
fn it_can_be_read_by_everybody() {
    let account = live_account();
    account.fail(Fault::new("ListAccessKeys", FaultKind::AccessDenied).on("carol"));
    let (all_there_is, _) = live("accessible", &account, "html");
    let many = page_of("accessible", path(&report("accessible", &rows(201))));
    let browser = Browser::start();
    for page in [page_of("accessible_example", EXAMPLE), all_there_is, many] {
        // Colours are the same in every width.
        for (scheme, width) in [("light", 1400), ("dark", 390)] {
            browser.emulate("screen", scheme);
            browser.resize(width, 900);
            browser.open(&page);
            browser.script("document.querySelectorAll('details').forEach((details) => { details.open = true; })");
            let problems = browser.accessibility_problems();
            assert_eq!(problems, <[String; 0]>::default(), "{} {scheme} {width}", page.display());
        }
    }
}

#[test]
fn it_has_a_light_and_a_dark_scheme() {
    let page = page_of("schemes", EXAMPLE);
    let browser = Browser::start();
    browser.open(&page);
    let colours =
        || browser.texts("const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]");
    browser.emulate("screen", "light");
    let light = colours();
    browser.emulate("screen", "dark");
    let dark = colours();
    assert_eq!(light[0], "rgb(255, 255, 255)");
    assert!(light[0] != dark[0] && light[1] != dark[1], "{light:?} {dark:?}");
    browser.emulate("print", "dark");
    assert_eq!(colours(), ["rgb(255, 255, 255)", "rgb(0, 0, 0)"], "paper is white");
}

#[test]
fn no_width_from_360_pixels_on_scrolls_sideways() {
    let (live_page, _) = live("narrow", &live_account(), "html");
    let long = row(&"w".repeat(64), 4) + &row("short", 5);
    let browser = Browser::start();
    for page in [page_of("narrow_example", EXAMPLE), live_page, page_of("narrow", path(&report("narrow", &long)))] {
        browser.open(&page);
        for width in [360, 390, 520, 700, 900, 1020, 1021, 1400] {
            browser.resize(width, 900);
            let wide = browser.script("return document.documentElement.scrollWidth");
            assert_eq!(wide, width, "{}", page.display());
            // A table or a chart may not stick out of its place either.
            let outside = browser.texts(
                "return Array.from(document.querySelectorAll('main *:not(.skip):not(title)')).filter((element) =>
                    !element.closest('pre') && element.getClientRects().length && !element.closest('.stack thead') &&
                    element.getBoundingClientRect().right > innerWidth + 1).map((element) => element.outerHTML.slice(0, 80))",
            );
            assert_eq!(outside, <[String; 0]>::default(), "{} at {width}", page.display());
        }
    }
}

#[test]
fn it_prints_every_user_whatever_the_filter() {
    let page = page_of("print", path(&report("print", &rows(300))));
    let browser = Browser::start();
    browser.open(&page);
    browser.click("#text");
    browser.press("user-00020".chars());
    assert_eq!(browser.texts(NAMES), ["user-00020"]);
    let pdf = directory("print").join("audit.pdf");
    fs::write(&pdf, browser.print()).unwrap();
    let output = Command::new("pdftotext").args(["-layout", path(&pdf), "-"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let pages: Vec<&str> = text.split_terminator('\u{c}').collect();
    assert!((5..40).contains(&pages.len()), "{}", pages.len());
    let missing: Vec<_> = (0..300).filter(|user| !text.contains(&format!("user-{user:05}"))).collect();
    assert_eq!(missing, <[i32; 0]>::default());
    let headed = |page: &&&str| page.contains("Why, and what to do");
    let with_users = pages.iter().filter(|page| page.contains("arn:aws:iam::")).count();
    assert_eq!(pages.iter().filter(headed).count(), with_users, "the header is on every page of the table");
    assert!(!text.contains("of 300 users\n") && !text.contains("Show all"), "no controls: {}", pages[0]);
}

#[test]
fn it_is_whole_without_its_script() {
    let page = page_of("no_script", path(&report("no_script", &rows(300))));
    let browser = Browser::start();
    browser.devtools("Emulation.setScriptExecutionDisabled", &json!({ "value": true }));
    browser.open(&page);
    let shown = browser.devtools("Accessibility.getFullAXTree", &json!({}));
    let nodes = shown["nodes"].as_array().unwrap();
    let named = |role: &str| {
        let nodes = nodes.iter().filter(|node| node["ignored"] == false && node["role"]["value"] == role);
        nodes.map(|node| node["name"]["value"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    let headers = named("rowheader");
    assert!((0..300).all(|user| headers.iter().any(|header| header.starts_with(&format!("user-{user:05}")))));
    assert_eq!(named("searchbox"), <[String; 0]>::default(), "what would do nothing is not shown");
    assert!(named("button").is_empty(), "{:?}", named("button"));
}

#[test]
fn five_thousand_users_stay_quick() {
    let page = page_of("many", path(&report("many", &rows(5000))));
    let bytes = fs::metadata(&page).unwrap().len();
    assert!(bytes < MOST_BYTES, "{bytes}");
    let browser = Browser::start();
    browser.open(&page);
    assert_eq!(browser.text(COUNT), "5,000 of 5,000 users, the first 200 shown");
    assert_eq!(browser.texts(NAMES).len(), 200);

    // Milliseconds until the page is laid out again: printed, not judged, since the machine is shared.
    let took = |what: &str, action: &str| {
        let body = format!(
            "const start = performance.now(); {action}; document.body.getBoundingClientRect();
            return performance.now() - start"
        );
        println!("{what}: {:.0} ms", browser.script(&body).as_f64().unwrap());
    };
    println!("{bytes} bytes");
    let load = "return performance.getEntriesByType('navigation')[0].duration";
    println!("load: {:.0} ms", browser.script(load).as_f64().unwrap());
    for typed in ["u", "us", "user-0123", "user-01234", ""] {
        let action = format!(
            "const text = document.getElementById('text'); text.value = '{typed}';
            text.dispatchEvent(new Event('input', {{ bubbles: true }}))"
        );
        took(&format!("filter `{typed}`"), &action);
        let expected = (0..5000).filter(|user| format!("user-{user:05}").contains(typed)).count();
        let count = browser.text(COUNT).replace(',', "");
        assert!(count.starts_with(&format!("{expected} of 5000")), "{typed}: {count}");
    }
    for place in 1..=6 {
        let header = format!("document.querySelector('#table thead th:nth-child({place}) button')");
        took(&format!("sort by column {place}"), &format!("{header}.click()"));
        took("  and back", &format!("{header}.click()"));
    }
    browser.click("#table thead th:nth-child(1) button");
    assert_eq!(browser.texts(NAMES)[..2], ["user-00000", "user-00001"]);
    took("show all", "document.querySelector('#more button').click()");
    assert_eq!(browser.texts(NAMES).len(), 5000);
    assert_eq!(browser.script("return document.querySelector('#more').hidden"), true);
    assert_quiet(&browser, &page);
}

#[test]
fn what_others_wrote_is_shown_as_text() {
    let names = [
        "</script><script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "\"><svg onload=alert(1)>",
        "' onmouseover='alert(1)",
        "</table></title></style><h1>owned</h1>",
        "{{ 7 * 7 }} &lt;b&gt; <!-- --> ]]>",
        "javascript:alert(1)",
    ];
    let bidi = "admin\u{202e}gpj\u{2066}.\u{200f}x";
    let hostile: String = names.iter().chain([&bidi]).map(|name| row(name, 4)).collect();
    let report = report("hostile", &hostile);
    let odd = report.with_file_name("<img src=x onerror=alert(2)>.csv");
    fs::copy(&report, &odd).unwrap();
    let page = page_of("hostile", path(&odd));
    let browser = Browser::start();
    browser.open(&page);
    assert_eq!(browser.texts(NAMES)[..7], names);
    assert_eq!(browser.texts(NAMES)[7], "admin\u{fffd}gpj\u{fffd}.\u{fffd}x");
    let shown = browser.text("return document.querySelector('.facts').innerText");
    assert!(shown.contains("<img src=x onerror=alert(2)>.csv"), "{shown}");
    let labels = browser.texts(
        "return Array.from(document.querySelectorAll('.chart.wide .setup title'), (title) => title.textContent)",
    );
    assert!(labels.iter().any(|label| label.starts_with("<img src=x onerror=alert(1)>, key 1: 4 s")), "{labels:?}");
    let made =
        "return document.querySelectorAll('img, script:not(body > script:last-of-type), svg:not(.chart), [onload], [onerror], ' +
        '[onmouseover]').length + document.querySelectorAll('h1, style').length";
    assert_eq!(browser.script(made), 2, "the page has no element but its own");
    assert_quiet(&browser, &page);

    let aws = live_account();
    aws.add(excepted(
        "ivan",
        "</td><script>alert(1)</script>",
        9,
        "<img src=x onerror=alert(1)> & \"so on\" \u{202e}AKIAIOSFODNN7EXAMPLE",
    ));
    aws.add(excepted("judy", "ops", 9, "fine").tag("setup-keys:exception-expires", "<b onclick=alert(1)>"));
    let (page, _) = live("hostile_tags", &aws, "html");
    browser.open(&page);
    let shown = browser.text("return document.getElementById('exceptions').parentNode.innerText");
    assert!(shown.contains("</td><script>alert(1)</script>"), "{shown}");
    assert!(shown.contains("<img src=x onerror=alert(1)> & \"so on\" \u{fffd}…MPLE"), "{shown}");
    assert!(shown.contains("expiry `<b onclick=alert(1)>` is not a date"), "{shown}");
    assert_eq!(browser.script(&made.replace("[onload]", "[onload], [onclick]")), 2);
    assert_quiet(&browser, &page);
}

#[test]
fn the_policy_stops_what_the_page_does_not_bring() {
    let page = page_of("policy", EXAMPLE);
    let whole = fs::read_to_string(&page).unwrap();
    let foreign = "<script>document.title = 'owned'</script><img src=\"file:///nowhere.png\" onerror=\"document.title = 'owned'\">\
        <style>body { display: none }</style></main>";
    fs::write(&page, whole.replace("</main>", foreign)).unwrap();
    let browser = Browser::start();
    browser.open(&page);
    assert_eq!(browser.text("return getComputedStyle(document.body).display"), "block");
    assert!(browser.text("return document.title").starts_with("NON_COMPLIANT"));
    let console = browser.console();
    assert!(console.len() >= 3 && console.iter().all(|line| line.contains("Content Security Policy")), "{console:?}");
    assert_eq!(browser.text(COUNT), "12 of 12 users", "its own script runs");
}

#[test]
fn a_live_audit_shows_exceptions_and_what_was_not_judged() {
    let aws = live_account();
    aws.fail(Fault::new("ListAccessKeys", FaultKind::AccessDenied).on("bob"));
    let (page, output) = live("live", &aws, "html");
    assert_eq!(output.status.code(), Some(2));
    let browser = Browser::start();
    browser.open(&page);
    let texts = |selector: &str| {
        browser.texts(&format!("return Array.from(document.querySelectorAll('{selector}'), (each) => each.innerText)"))
    };
    assert_eq!(
        texts(".outcome p"),
        ["2 of 7 users have access keys from user setup that nothing excuses. 1 user could not be judged."]
    );
    assert_eq!(
        texts(".counts div").iter().map(|count| count.replace('\n', " ")).collect::<Vec<_>>(),
        [
            "Users judged 7",
            "NON_COMPLIANT 2",
            "COMPLIANT 5",
            "of these by exception 2",
            "ending within 14 days 1",
            "Not judged 1"
        ]
    );
    let tables = texts("#exceptions ~ table tbody tr");
    let expected = [
        format!(
            "frank\t1 setup key\tops\t{} ends soon\t9\tthe build server cannot assume a role before the move",
            day(9)
        ),
        format!("grace\t1 setup key\tpayments\t{}\t200\tvendor's appliance", day(200)),
        format!("heidi\texpired {}", day(-3)),
    ];
    assert_eq!(tables, expected);
    let errors = texts(".errors li");
    assert!(errors.len() == 1 && errors[0].starts_with("user `bob`: iam:ListAccessKeys failed"), "{errors:?}");
    assert_eq!(
        browser.text("return document.querySelector('#table tbody tr.exc td b').innerText"),
        "COMPLIANT by exception"
    );
    let shapes = browser.texts(
        "return Array.from(document.querySelectorAll('.chart.wide g'), (lane) =>
        `${lane.getAttribute('class')} ${lane.querySelectorAll('path, circle').length}`)",
    );
    assert_eq!(shapes, ["setup 2", "excepted 2", "other 3"]);
    // Ids are never whole.
    let whole = fs::read_to_string(&page).unwrap();
    assert!(whole.contains("…0001") && !whole.contains("AKIA"));
    assert_quiet(&browser, &page);
}

#[test]
fn the_report_costs_no_call_of_its_own() {
    let aws = live_account();
    aws.take_report_snapshot(setup_keys::clock::now());
    let calls = |format: &str| {
        aws.forget_calls();
        let (page, output) = live("calls", &aws, format);
        assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
        let mut calls = aws.action_names();
        // Once for each time that IAM says that the report is not ready yet.
        calls.retain(|call| call != "iam:GenerateCredentialReport");
        calls.sort();
        (calls, page)
    };
    let (without, _) = calls("json");
    let (with, page) = calls("html");
    assert_eq!(with, without);
    // All keys are known: from the reads that decided, and else from the credential report.
    let page = fs::read_to_string(page).unwrap();
    assert!(
        page.contains("dave, …0001: 4 s after the user, Active")
            || page.contains("dave, key 1: 4 s after the user, Active")
    );
    assert!(!page.contains("are not known and not shown"));
}

#[test]
fn accounts_without_findings_or_users_say_so() {
    let browser = Browser::start();
    let outcome = |test: &str, rows: &str| {
        let page = page_of(test, path(&report(test, rows)));
        browser.open(&page);
        assert_quiet(&browser, &page);
        let fix = browser.script("return document.getElementById('fix') !== null");
        assert_eq!(fix, false, "there is nothing to fix");
        browser.text("return document.querySelector('.outcome').innerText").replace("\n\n", "\n")
    };
    assert_eq!(outcome("nobody", &row("<root_account>", 0)), "NO USERS\nThe source has no IAM user to judge.");
    assert_eq!(outcome("one", &row("alice", 61)), "COMPLIANT\nThe one user is compliant.");
    assert_eq!(outcome("two", &(row("alice", 61) + &row("bob", 90))), "COMPLIANT\nAll 2 users are compliant.");
    let undated = row("alice", 4).replace("2026-03-02T10:00:04+00:00", "N/A");
    assert_eq!(
        outcome("incomplete", &(undated + &row("bob", 90))),
        "INCOMPLETE\nNo verdict on the account. 1 user could not be judged. None of the other 1 user is NON_COMPLIANT."
    );
}

#[test]
fn several_accounts_are_told_apart() {
    let one = report("accounts", &(row("alice", 4) + &row("bob", 90)));
    let other = one.with_file_name("other.csv");
    fs::write(&other, fs::read_to_string(&one).unwrap().replace("111122223333", "444455556666")).unwrap();
    let missing = one.with_file_name("missing.csv");
    let page = one.with_file_name("audit.html");
    let output = Command::new(env!("CARGO_BIN_EXE_setup-keys"))
        .args(["audit", "--format", "html", "--now", NOW, "--output", path(&page)])
        .args([&one, &other, &missing].into_iter().flat_map(|file| ["--credential-report", path(file)]))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let browser = Browser::start();
    browser.open(&page);
    assert_eq!(browser.text("return document.querySelector('header b').textContent"), "2 accounts");
    let outcome = browser.text("return document.querySelector('.outcome p').textContent");
    assert_eq!(
        outcome,
        "2 of 4 users have access keys from user setup that nothing excuses. 1 report could not be read or kept."
    );
    let accounts = browser
        .texts("return Array.from(document.querySelectorAll('#accounts ~ table tbody tr'), (row) => row.innerText)");
    assert_eq!(accounts.len(), 2);
    assert!(accounts[0].starts_with("111122223333\t2\t1\t1\t0\t0\t"), "{accounts:?}");
    assert!(accounts[1].starts_with("444455556666\t2\t1\t1\t0\t0\t"), "{accounts:?}");
    let users = browser.texts(
        "return Array.from(document.querySelectorAll('#table tbody small'), (arn) => arn.textContent.split(':')[4])",
    );
    assert_eq!(users, ["111122223333", "444455556666", "111122223333", "444455556666"]);
    assert_eq!(browser.accessibility_problems(), <[String; 0]>::default());
    assert_quiet(&browser, &page);
}

#[test]
fn any_window_and_any_date_can_be_drawn() {
    let at = |name: &str, date: &str| row(name, 4).replace("2026-03-02T10:00:04+00:00", date);
    let rows = [at("first", "0001-01-01T00:00:00Z"), at("last", "9999-12-31T23:59:59Z"), row("same", 0)].concat();
    let browser = Browser::start();
    let dates = [("far", rows), ("near", row("same", 0)), ("day", row("a day", 86_400) + &row("and more", 86_401))];
    for (name, rows) in dates {
        let test = format!("any_{name}");
        let report = report(&test, &rows);
        for window in ["0", "1", "60", "86400", "any"] {
            let page = directory(&test).join(format!("{window}.html"));
            let output = Command::new(env!("CARGO_BIN_EXE_setup-keys"))
                .args([
                    "audit",
                    "--format",
                    "html",
                    "--setup-window-seconds",
                    window,
                    "--credential-report",
                    path(&report),
                ])
                .args(["--output", path(&page)])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stderr), "");
            browser.open(&page);
            assert_eq!(browser.console(), <[String; 0]>::default(), "a number that is none is an error of the drawing");
            let outside = browser.texts(
                "const chart = document.querySelector('.chart.wide'), frame = chart.getBoundingClientRect();
                return Array.from(chart.querySelectorAll('path, circle, rect, line')).filter((each) => {
                    const box = each.getBoundingClientRect();
                    return !each.closest('defs') && (box.left < frame.left - 1 || box.right > frame.right + 1 ||
                        box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
                }).map((each) => each.outerHTML)",
            );
            assert_eq!(outside, <[String; 0]>::default(), "{name} {window}");
            let bands = browser.script("return document.querySelectorAll('.chart.wide .window').length");
            assert_eq!(bands, usize::from(window != "any"));
            let option = format!("setup-keys remediate --all --setup-window-seconds '{window}' --yes");
            let shown = browser.text("return document.body.innerText");
            assert_eq!(shown.contains(&option), window != "60" && shown.contains("How to fix it"), "{option}");
        }
    }
}

#[test]
#[ignore = "writes docs/audit-report.png and docs/audit-table.png: `make pictures`"]
fn the_pictures_of_the_readme() {
    let browser = Browser::start();
    browser.emulate("screen", "light");
    browser.resize(1080, 1050);
    browser.open(&page_of("picture", EXAMPLE));
    fs::write("docs/audit-report.png", browser.picture()).unwrap();

    // What a terminal of 120 columns gets, in its colours.
    let terminal = ["-I", "tests/python/terminal.py", "120", "40", env!("CARGO_BIN_EXE_setup-keys")];
    let mut command = isolated(python_file("bin/python"));
    command.args(terminal).args(["audit", "--credential-report", EXAMPLE]).env("TERM", "xterm-256color");
    let seen: Value = serde_json::from_slice(&command.output().unwrap().stdout).unwrap();
    let written = seen["written"].as_str().unwrap();
    let mut text = written.replace('&', "&amp;").replace('<', "&lt;");
    for (code, tag) in [("38;5;9", "<b class=red>"), ("38;5;10", "<b class=green>"), ("39", "</b>")] {
        text = text.replace(&format!("\u{1b}[{code}m"), tag);
    }
    assert!(!text.contains('\u{1b}'), "{text}");
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("terminal.html");
    let style = "body{background:#14181f;color:#d8dee9;margin:16px}pre{font:14px/1.35 'Liberation Mono',monospace;margin:0;white-space:pre-wrap}\
                 b{font-weight:inherit}.red{color:#ff6b6b}.green{color:#5fd38d}";
    let page = format!(
        "<meta charset=utf-8><style>{style}</style><pre>$ setup-keys audit --credential-report {EXAMPLE}\n{text}</pre>"
    );
    fs::write(&path, page).unwrap();
    browser.resize(1060, 430);
    browser.open(&path);
    fs::write("docs/audit-table.png", browser.picture()).unwrap();
}
