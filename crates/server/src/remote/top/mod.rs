//! `procpool top`: the pools of a running server on a terminal, as they live. This file holds the terminal and the
//! connection; the rest decides and draws without either.

mod draw;
mod hosts;
mod model;
mod view;

use self::model::Model;
use self::view::{Step, View};
use super::{RemoteError, server};
use crate::cli::top::TopArgs;
use crate::signals::Signals;
use procpool_client::events::Decoder;
use procpool_client::hosts::Hosts;
use procpool_client::{Client, Ending, Streaming, pools, within};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use std::io::{self, IsTerminal};
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;

/// Time after which a server that says nothing is gone. It sends several events a second.
const SILENCE: Duration = Duration::from_secs(15);

/// Number of keys that wait to be looked at.
const KEYS: usize = 16;

/// Runs the command until the person ends it or the server goes away.
pub(crate) async fn top(args: TopArgs) -> Result<Ending, RemoteError> {
    if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
        return Err(RemoteError::NoTerminal);
    }
    let mut client = server::client(&args.remote)?;
    let name = client.server().to_string();
    // While the screen is as it was, so that an error is seen where the person looks.
    let stream = client.open(pools::events(&args.pools)).await?;
    let mut signals = Signals::catch().map_err(|error| RemoteError::Terminal(io::Error::other(error)))?;
    let view = View::new(name, std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()));
    let mut screen = Screen::new().map_err(RemoteError::Terminal)?;
    let hosts = hosts::hosts(server::client(&args.remote)?);
    let ended = tokio::select! {
        ended = show(&mut screen, &client, stream, hosts, view) => ended,
        _ = signals.stop() => Ok(()),
    };
    drop(screen);
    ended.map(|()| Ending::Done)
}

/// Shows the events of a stream, until a key or the end of the stream.
async fn show(
    screen: &mut Screen,
    client: &Client,
    mut stream: Streaming,
    mut hosts: mpsc::Receiver<Hosts>,
    mut view: View,
) -> Result<(), RemoteError> {
    let (mut keys, mut model, mut decoder) = (keys(), Model::default(), Decoder::default());
    loop {
        let step = tokio::select! {
            piece = within(SILENCE, client.server(), stream.next()) => match piece? {
                Some(bytes) => {
                    let mut events = Vec::new();
                    decoder.take(&bytes, &mut events).map_err(|error| client.unreadable(error))?;
                    for event in &events {
                        model.take(event).map_err(|error| client.unreadable(error))?;
                    }
                    if events.is_empty() { Step::Nothing } else { Step::Draw }
                }
                None => return Err(RemoteError::Gone { server: client.server().clone(), drained: model.is_over }),
            },
            Some(told) = hosts.recv() => {
                model.hosts = Some(told);
                Step::Draw
            }
            pressed = keys.recv() => match pressed {
                Some(Event::Key(key)) => view.key(key, &model),
                Some(Event::Resize(..)) => Step::Draw,
                Some(_) => Step::Nothing,
                // The terminal is gone.
                None => Step::End,
            },
        };
        match step {
            Step::End => return Ok(()),
            Step::Draw => screen.draw(&model, &view).map_err(RemoteError::Terminal)?,
            Step::Nothing => {}
        }
    }
}

/// Reads keys on a thread of its own, which ends with the process: a read from a terminal cannot be given up.
fn keys() -> mpsc::Receiver<Event> {
    let (sender, receiver) = mpsc::channel(KEYS);
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.blocking_send(event).is_err() {
                return;
            }
        }
    });
    receiver
}

/// The terminal while it shows this command. It is as before afterwards, also after a panic.
struct Screen(DefaultTerminal);

impl Screen {
    fn new() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }

    fn draw(&mut self, model: &Model, view: &View) -> io::Result<()> {
        self.0.draw(|frame| draw::draw(frame, model, view)).map(drop)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = ratatui::try_restore();
    }
}
