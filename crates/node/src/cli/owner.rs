//! Asking the own node, over the socket in its data directory.

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use crate::{
    cli::Failure,
    runtime::{Config, OwnerAnswer, OwnerRequest, owner_socket},
};

const TIMEOUT: Duration = Duration::from_secs(15);

/// Asks the running node of a directory.
pub(in crate::cli) fn ask(dir: &Path, request: &OwnerRequest) -> Result<OwnerAnswer, Failure> {
    let config = Config::read(dir).map_err(Failure::unreachable)?;
    let socket = owner_socket(&config.data);
    let unreachable = |error: &dyn std::fmt::Display| {
        let (dir, socket) = (dir.display(), socket.display());
        Failure::Unreachable(format!("can't reach the node of {dir} at {socket}: {error}; is it running?"))
    };
    let stream = UnixStream::connect(&socket).map_err(|error| unreachable(&error))?;
    let ask = || {
        stream.set_read_timeout(Some(TIMEOUT))?;
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        (&stream).write_all(&line)?;
        let mut answer = String::new();
        BufReader::new(&stream).read_line(&mut answer)?;
        Ok::<_, std::io::Error>(serde_json::from_str(&answer)?)
    };
    match ask().map_err(|error| unreachable(&error))? {
        OwnerAnswer::Refused(reason) => Err(Failure::False(reason)),
        answer => Ok(answer),
    }
}

/// The node answered something else than what it was asked.
pub(in crate::cli) fn other_answer() -> Failure {
    Failure::Unreachable("the node answers something else; is it of another version?".into())
}
