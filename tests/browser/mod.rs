//! A browser: Debian's Chromium without a window, driven over the `WebDriver` protocol
//! (<https://www.w3.org/TR/webdriver2/>), with ports and directories that the system chooses.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Once;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::python_support::{Process, isolated, python_file};

/// The member of JSON that holds a reference to an element (`WebDriver`, "Elements").
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

pub(crate) const TAB: char = '\u{e004}';
pub(crate) const ENTER: char = '\u{e007}';
pub(crate) const RIGHT: char = '\u{e014}';

/// A browser with one page. It ends with its test.
pub(crate) struct Browser {
    port: u16,
    session: String,
    /// Dropped last: it takes the browser's end.
    _driver: Process,
}

impl Browser {
    pub(crate) fn start() -> Self {
        static SET_UP: Once = Once::new();
        SET_UP.call_once(|| {
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/setup.sh");
            let output = Command::new("bash").arg(script).output().unwrap();
            assert!(output.status.success(), "tests/browser/setup.sh: {}", String::from_utf8_lossy(&output.stderr));
        });
        let driver = Process::start(isolated("chromedriver").arg("--port=0"));
        let port = loop {
            let line = driver.line();
            let port = line.strip_prefix("ChromeDriver was started successfully on port ");
            if let Some(port) = port.and_then(|port| port.trim_end_matches('.').parse().ok()) {
                break port;
            }
        };
        // The driver makes a new, empty directory for the user's data, and removes it.
        let arguments = [
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1400,1000",
        ];
        let capabilities = json!({
            "browserName": "chrome",
            // Half a minute is not enough for axe-core where a machine does much else.
            "timeouts": { "script": 300_000 },
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let answer = request(port, "POST", "/session", &json!({ "capabilities": { "alwaysMatch": capabilities } }));
        let session = answer["sessionId"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned();
        Self { port, session, _driver: driver }
    }

    /// Opens a file and waits until it is loaded.
    pub(crate) fn open(&self, file: &Path) {
        self.post("url", &json!({ "url": format!("file://{}", file.display()) }));
    }

    /// What a function body returns that runs in the page.
    pub(crate) fn script(&self, body: &str) -> Value {
        self.post("execute/sync", &json!({ "script": body, "args": [] }))
    }

    /// The same for a string.
    pub(crate) fn text(&self, body: &str) -> String {
        let value = self.script(body);
        value.as_str().unwrap_or_else(|| panic!("{body}: {value}")).to_owned()
    }

    /// The same for a list of strings.
    pub(crate) fn texts(&self, body: &str) -> Vec<String> {
        let value = self.script(body);
        serde_json::from_value(value.clone()).unwrap_or_else(|_| panic!("{body}: {value}"))
    }

    /// Clicks in the middle of an element, as a mouse does: it must be there to be seen.
    pub(crate) fn click(&self, selector: &str) {
        let element = self.post("element", &json!({ "using": "css selector", "value": selector }));
        let id = element[ELEMENT].as_str().unwrap_or_else(|| panic!("{selector}: {element}"));
        self.post(&format!("element/{id}/click"), &json!({}));
    }

    /// Presses and releases keys, one after the other, wherever the focus is.
    pub(crate) fn press(&self, keys: impl IntoIterator<Item = char>) {
        let strokes = keys
            .into_iter()
            .flat_map(|key| [json!({ "type": "keyDown", "value": key }), json!({ "type": "keyUp", "value": key })]);
        let strokes: Vec<_> = strokes.collect();
        self.post("actions", &json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": strokes }] }));
    }

    /// A command of the Chrome `DevTools` Protocol.
    pub(crate) fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.post("goog/cdp/execute", &json!({ "cmd": command, "params": parameters }))
    }

    /// Has the page believe in a medium (`screen`, `print`) and a colour scheme (`light`, `dark`).
    pub(crate) fn emulate(&self, medium: &str, scheme: &str) {
        let features = [json!({ "name": "prefers-color-scheme", "value": scheme })];
        self.devtools("Emulation.setEmulatedMedia", &json!({ "media": medium, "features": features }));
    }

    /// Gives the page another size, in CSS pixels.
    pub(crate) fn resize(&self, width: u32, height: u32) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// A picture of the page from its top, in the size that it has now.
    pub(crate) fn picture(&self) -> Vec<u8> {
        let answer =
            self.devtools("Page.captureScreenshot", &json!({ "format": "png", "captureBeyondViewport": false }));
        STANDARD.decode(answer["data"].as_str().unwrap()).unwrap()
    }

    /// The page as PDF.
    pub(crate) fn print(&self) -> Vec<u8> {
        STANDARD
            .decode(self.post("print", &json!({ "page": { "width": 21.0, "height": 29.7 } })).as_str().unwrap())
            .unwrap()
    }

    /// What the console shows since it was asked last: errors, warnings and violations of the page's policy.
    pub(crate) fn console(&self) -> Vec<String> {
        let entries = self.post("se/log", &json!({ "type": "browser" }));
        entries.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned()).collect()
    }

    /// The addresses that were asked for, since they were asked for last.
    pub(crate) fn fetched(&self) -> Vec<String> {
        let entries = self.post("se/log", &json!({ "type": "performance" }));
        let mut urls = Vec::new();
        for entry in entries.as_array().unwrap() {
            let event: Value = serde_json::from_str(entry["message"].as_str().unwrap()).unwrap();
            if event["message"]["method"] == "Network.requestWillBeSent" {
                urls.push(event["message"]["params"]["request"]["url"].as_str().unwrap().to_owned());
            }
        }
        urls
    }

    /// What axe-core finds wrong with the accessibility of the page as it is now: rule, and the first elements.
    pub(crate) fn accessibility_problems(&self) -> Vec<String> {
        let axe = std::fs::read_to_string(python_file("axe.min.js")).unwrap();
        self.script(&axe);
        let run = "const done = arguments[0];
            axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => done(violations.map(
                ({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map((node) => `${node.html} ${node.failureSummary}`)}`)));";
        let problems = self.post("execute/async", &json!({ "script": run, "args": [] }));
        serde_json::from_value(problems).unwrap()
    }

    fn post(&self, path: &str, body: &Value) -> Value {
        request(self.port, "POST", &format!("/session/{}/{path}", self.session), body)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Else the browser would outlive its driver.
        let _ = exchange(self.port, "DELETE", &format!("/session/{}", self.session), &json!({}));
    }
}

/// The `value` of the driver's answer.
fn request(port: u16, method: &str, path: &str, body: &Value) -> Value {
    let mut answer = exchange(port, method, path, body).unwrap();
    assert_eq!(answer["value"]["error"], Value::Null, "{path}: {answer}");
    answer["value"].take()
}

fn exchange(port: u16, method: &str, path: &str, body: &Value) -> io::Result<Value> {
    let body = body.to_string();
    let mut connection = TcpStream::connect(("127.0.0.1", port))?;
    let length = body.len();
    write!(connection, "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n")?;
    write!(connection, "Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")?;
    // The driver keeps the connection: the header says where its answer ends.
    let mut answer = BufReader::new(connection);
    let mut length = 0;
    loop {
        let mut line = String::new();
        answer.read_line(&mut line)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            None if line.trim_end().is_empty() => break,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    answer.read_exact(&mut body)?;
    Ok(serde_json::from_slice(&body)?)
}
