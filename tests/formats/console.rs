//! Habits of the shell: colours, widths, quiet, versions, completions, the manual.

use setup_keys::rule::parameters::Profile;

use super::*;

const RED: &str = "\u{1b}[38;5;9m";

/// What a terminal of so many columns shows.
#[track_caller]
fn terminal(columns: u16, environment: &[(&str, &str)], arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/terminal.py");
    let mut command = isolated(python_file("bin/python"));
    command.env_clear().envs(environment.iter().copied()).arg("-I").arg(script);
    command.args([columns.to_string().as_str(), "40", env!("CARGO_BIN_EXE_setup-keys")]).args(arguments);
    let output = command.output().unwrap();
    assert_eq!(status(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    let seen: Value = serde_json::from_str(stdout(&output)).unwrap();
    assert_eq!(seen["status"], 1, "{seen}");
    // A terminal ends its lines in its own way.
    seen["written"].as_str().unwrap().replace("\r\n", "\n")
}

const AUDIT: &[&str] = &["audit", "--credential-report", REPORT];

#[test]
fn a_terminal_gets_colours() {
    let shown = terminal(200, &[], AUDIT);
    assert_eq!(shown.matches(RED).count(), 6, "{shown}");
    assert!(shown.contains("\u{1b}[38;5;10m COMPLIANT"), "{shown}");
}

#[track_caller]
fn has_no_colours(environment: &[(&str, &str)], arguments: &[&str]) {
    let shown = terminal(200, environment, &[AUDIT, arguments].concat());
    assert!(!shown.contains('\u{1b}') && shown.contains(" NON_COMPLIANT "), "{shown}");
}

cases! { has_no_colours:
    no_color_in_the_environment => (&[("NO_COLOR", "1")], &[]);
    no_color_as_an_option => (&[], &["--no-color"]);
    a_terminal_that_can_do_nothing => (&[("TERM", "dumb")], &[]);
}

#[test]
fn an_empty_no_color_is_none() {
    assert!(terminal(200, &[("NO_COLOR", "")], AUDIT).contains(RED));
}

#[test]
fn a_file_gets_neither_colours_nor_the_width_of_the_terminal() {
    let path = directory("file").join("audit.txt");
    terminal(40, &[], &[AUDIT, &["--output", text(&path)]].concat());
    assert_eq!(fs::read_to_string(&path).unwrap(), include_str!("../expected/audit.txt"));
}

#[track_caller]
fn fits(columns: u16) {
    let shown = terminal(columns, &[("NO_COLOR", "1")], AUDIT);
    let (table, _) = shown.split_once("\n\n").unwrap();
    for line in table.lines() {
        assert!(line.chars().count() <= columns.into(), "{line:?} in {shown}");
    }
    assert!(table.contains("ivan,ops@example.com") && table.contains("NON_COMPLIANT"), "names stay whole: {shown}");
}

cases! { fits:
    a_wide_terminal => (120);
    a_usual_terminal => (80);
    a_narrow_terminal => (60);
}

#[test]
fn a_terminal_too_narrow_for_columns_gets_a_list() {
    let shown = terminal(40, &[], AUDIT);
    assert!(shown.starts_with("NON_COMPLIANT alice\n  1 setup key: key 1 made 3 s after the user, "), "{shown}");
    assert!(
        shown.contains("\nNON_COMPLIANT ivan,ops@example.com\n") && shown.contains("12 users, 6 NON_COMPLIANT"),
        "{shown}"
    );
}

#[test]
fn a_name_as_long_as_iam_allows_leaves_room_for_the_rest() {
    let name = format!("{:x<64}", "ivan.ops");
    let path = directory("long_name").join("report.csv");
    fs::write(&path, report_of("111122223333", |report| report.replace("\"ivan,ops@example.com\"", &name))).unwrap();
    let shown = terminal(80, &[("NO_COLOR", "1")], &["audit", "--credential-report", text(&path)]);
    let row = shown.lines().find(|line| line.starts_with(" ivan.ops")).unwrap();
    assert!(row.chars().count() <= 80 && row.contains("  NON_COMPLIANT  1 setup key: key 2 made 9 s"), "{shown}");
}

#[test]
fn quiet_leaves_out_what_to_do_next() {
    let output = run(&[AUDIT, &["--quiet"]].concat());
    let shown = stdout(&output);
    assert!(shown.contains("6 NON_COMPLIANT") && !shown.contains("Next:"), "{shown}");
    let broken = directory("quiet").join("report.csv");
    fs::write(&broken, report_of("111122223333", |report| report.replacen("true,2026-03-03T09:01:00Z", "true,N/A", 1)))
        .unwrap();
    let output = run(&["-q", "audit", "--credential-report", text(&broken)]);
    assert!(
        status(&output) == 2 && stderr(&output).starts_with("error: "),
        "errors are still told: {}",
        stderr(&output)
    );
}

#[test]
fn the_version_tells_whose_rule_each_profile_is() {
    let output = run(&["--version"]);
    let mut shown = stdout(&output).lines();
    assert_eq!(shown.next(), Some(concat!("setup-keys ", env!("CARGO_PKG_VERSION"))));
    assert_eq!((shown.next(), shown.next()), (Some(""), Some("Profiles:")));
    for profile in Profile::ALL {
        let (name, origin) = shown.next().unwrap().trim_start().split_once(' ').unwrap();
        assert_eq!((name, origin.trim_start()), (profile.as_str(), profile.origin().to_string().as_str()));
    }
    assert_eq!(shown.next(), None);
    assert_eq!(stdout(&run(&["-V"])), concat!("setup-keys ", env!("CARGO_PKG_VERSION"), "\n"));
}

#[test]
fn help_has_examples_that_the_tool_takes() {
    let output = run(&["audit", "--help"]);
    let (_, examples) = stdout(&output).split_once("\nExamples:\n").unwrap();
    let offline = examples.lines().filter_map(|line| line.trim().strip_prefix("setup-keys "));
    let offline: Vec<_> = offline.filter(|line| line.contains("--credential-report")).collect();
    assert!(offline.len() >= 2, "{examples}");
    for line in offline {
        let arguments: Vec<_> = line.split(' ').collect();
        let output = run(&arguments);
        // The files are not there, but there is nothing wrong with the options.
        assert!(stderr(&output).contains("No such file or directory"), "{line}: {}", stderr(&output));
    }
}

#[track_caller]
fn completes(shell: &str, option: &str) {
    let output = run(&["completions", shell]);
    assert_eq!((status(&output), stderr(&output)), (0, ""));
    for part in ["setup-keys", option, "remediate"] {
        assert!(stdout(&output).contains(part), "`{part}` is not in {}", stdout(&output));
    }
}

cases! { completes:
    bash => ("bash", "--credential-report");
    zsh => ("zsh", "--credential-report");
    fish => ("fish", "credential-report");
    elvish => ("elvish", "--credential-report");
    powershell => ("powershell", "--credential-report");
}

#[test]
fn bash_takes_its_completions() {
    let path = directory("completions").join("setup-keys.bash");
    fs::write(&path, &run(&["completions", "bash"]).stdout).unwrap();
    let script = format!(
        "source '{}'; COMP_WORDS=(setup-keys audit --form); COMP_CWORD=2; \
         complete=$(complete -p setup-keys); function=${{complete#*-F }}; \
         ${{function%% *}} setup-keys --form audit; echo \"${{COMPREPLY[@]}}\"",
        path.display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &script]).output().unwrap();
    assert_eq!((stdout(&output), stderr(&output)), ("--format\n", ""));
}

#[test]
fn the_manual_has_every_command_and_every_option() {
    let page = |arguments: &[&str]| {
        let output = run(&[&["man"], arguments].concat());
        assert_eq!((status(&output), stderr(&output)), (0, ""));
        stdout(&output).replace("\\-", "-")
    };
    let tool = page(&[]);
    for command in ["audit", "replay", "remediate", "completions", "man"] {
        assert!(tool.contains(&format!("setup-keys-{command}(1)")), "{command}: {tool}");
        let help = run(&[command, "--help"]);
        let page = page(&[command]);
        assert!(page.contains(&format!(".TH setup-keys-{command} 1")), "{page}");
        let options = stdout(&help)
            .lines()
            .filter_map(|line| line.trim().strip_prefix("--"))
            .map(|option| option.split([' ', '=']).next());
        for option in options.flatten().filter(|option| !option.is_empty()) {
            assert!(page.contains(&format!("--{option}")), "--{option} is not in the manual of {command}: {page}");
        }
    }
}
