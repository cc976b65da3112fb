//! Where results go: standard output or a file.

use std::fs::File;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

use super::Failure;

/// Standard output, or a file that is made when the first byte is written: what fails before leaves an older file alone.
pub(super) struct Output<'a> {
    path: Option<&'a Path>,
    opened: Option<BufWriter<Target>>,
}

enum Target {
    File(File),
    Stdout(StdoutLock<'static>),
    /// A pipe that its reader closed has served its purpose: what is left to write goes nowhere.
    Closed,
}

impl<'a> Output<'a> {
    pub(super) const fn new(path: Option<&'a Path>) -> Self {
        Self { path, opened: None }
    }

    /// What went wrong on writing, in a sentence that names the output.
    pub(super) fn failure(path: Option<&Path>, error: &io::Error) -> Failure {
        let name = path.map_or_else(|| "standard output".to_owned(), |path| path.display().to_string());
        Failure(format!("{name}: {error}"))
    }

    /// Has everything written that is still held back, if there is anything.
    pub(super) fn finish(mut self) -> Result<(), Failure> {
        let finished = self.opened.as_mut().map_or(Ok(()), Write::flush);
        finished.map_err(|error| Self::failure(self.path, &error))
    }

    fn open(&mut self) -> io::Result<&mut BufWriter<Target>> {
        let opened = match self.opened.take() {
            Some(opened) => opened,
            None => BufWriter::with_capacity(
                64 * 1024,
                match self.path {
                    Some(path) => Target::File(File::create(path)?),
                    None => Target::Stdout(io::stdout().lock()),
                },
            ),
        };
        Ok(self.opened.insert(opened))
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.open()?.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open()?.flush()
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = match self {
            Self::File(file) => file.write(bytes),
            Self::Stdout(stdout) => stdout.write(bytes),
            Self::Closed => Ok(bytes.len()),
        };
        self.or_closed(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = match self {
            Self::File(file) => file.flush(),
            Self::Stdout(stdout) => stdout.flush(),
            Self::Closed => Ok(()),
        };
        self.or_closed(flushed, ())
    }
}

impl Target {
    fn or_closed<T>(&mut self, done: io::Result<T>, instead: T) -> io::Result<T> {
        match done {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe && matches!(self, Self::Stdout(_)) => {
                *self = Self::Closed;
                Ok(instead)
            }
            done => done,
        }
    }
}

/// Writes to a file, or to standard output.
pub(super) fn write_to(
    path: Option<&Path>,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut output = Output::new(path);
    write(&mut output).map_err(|error| Output::failure(path, &error))?;
    output.finish()
}
