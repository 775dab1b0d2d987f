//! A cable between a server and a store on which each step waits for its turn.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::oneshot;

use crate::port::Port;
use crate::statement::Statement;

/// What a client said up to the point where it waits for an answer.
pub(crate) struct Said {
    pub(crate) bytes: Vec<u8>,
    /// Where it runs something.
    pub(crate) statement: Option<Statement>,
    /// Names the answer.
    pub(crate) number: u64,
    /// What we answer ourselves: then the store is not told.
    pub(crate) answer: Option<&'static [u8]>,
}

/// One message of a store.
pub(crate) struct Heard {
    pub(crate) bytes: Vec<u8>,
    /// Where it ends an answer: whose, and what it was.
    pub(crate) returned: Option<(u64, String)>,
}

/// Follows both sides of one connection. What is complete is taken from the buffer.
pub(crate) trait Protocol: Default + Send + 'static {
    fn said(&mut self, buffer: &mut Vec<u8>) -> Option<Said>;
    fn heard(&mut self, buffer: &mut Vec<u8>) -> Option<Heard>;
    /// The process of the store that serves this connection.
    fn pid(&self) -> Option<i32> {
        None
    }
}

/// What becomes of a step whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It goes on.
    Go,
    /// It never arrives. The connection stays open and silent.
    Never,
    /// It goes on, and nobody hears what came of it. The connection stays open and silent.
    Unheard,
    /// It goes on, and its connection breaks before anybody hears what came of it.
    Cut,
}

/// Who says which statements are steps that wait for their turn, and hears what came of
/// each.
pub trait Steps: Send + Sync {
    /// Whether a statement is a step: then it goes on when what is returned is told so, or
    /// when nobody can tell it any more. Orders may have been recorded over its connection,
    /// which the process `pid` of the store serves.
    fn hold(
        &self,
        statement: Statement,
        records_orders: bool,
        pid: Option<i32>,
    ) -> Option<oneshot::Receiver<Turn>>;

    /// The answer to a step that had its turn.
    fn returned(&self, text: &str);
}

/// Forwards a loopback port to a Unix socket, and asks before each step.
pub(crate) async fn open<P: Protocol>(
    target: PathBuf,
    steps: Arc<dyn Steps>,
) -> anyhow::Result<Port> {
    Port::open(move |near| {
        let (target, steps) = (target.clone(), Arc::clone(&steps));
        async move {
            // Either side may end it; there is nobody to tell.
            let _ended = connect::<P>(near, target, &*steps).await;
        }
    })
    .await
}

async fn connect<P: Protocol>(
    near: TcpStream,
    target: PathBuf,
    steps: &dyn Steps,
) -> std::io::Result<()> {
    near.set_nodelay(true)?;
    let far = UnixStream::connect(target).await?;
    let mut connection = Connection {
        protocol: P::default(),
        steps,
        records_orders: false,
        step: None,
    };
    connection.carry(near, far).await
}

struct Connection<'a, P> {
    protocol: P,
    steps: &'a dyn Steps,
    /// Whether an order was recorded over this connection: then it is the buyers'.
    records_orders: bool,
    /// The step that is not answered.
    step: Option<u64>,
}

impl<P: Protocol> Connection<'_, P> {
    async fn carry(
        &mut self,
        mut near: TcpStream,
        mut far: UnixStream,
    ) -> std::io::Result<()> {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        loop {
            tokio::select! {
                count = near.read_buf(&mut up) => {
                    if count? == 0 {
                        return Ok(());
                    }
                    while let Some(said) = self.protocol.said(&mut up) {
                        // Statements may be sent together: one is answered before the
                        // next is held.
                        while self.step.is_some() {
                            if far.read_buf(&mut down).await? == 0 {
                                return Ok(());
                            }
                            self.pass_down(&mut down, &mut near).await?;
                        }
                        if let Some(answer) = said.answer {
                            near.write_all(answer).await?;
                            continue;
                        }
                        let turn = self.wait_for_turn(said.statement, said.number).await;
                        if turn != Turn::Never {
                            far.write_all(&said.bytes).await?;
                        }
                        if turn != Turn::Go {
                            return self.fall_silent(turn, near, far, down).await;
                        }
                    }
                }
                count = far.read_buf(&mut down) => {
                    if count? == 0 {
                        return Ok(());
                    }
                    self.pass_down(&mut down, &mut near).await?;
                }
            }
        }
    }

    async fn pass_down(
        &mut self,
        down: &mut Vec<u8>,
        near: &mut TcpStream,
    ) -> std::io::Result<()> {
        while let Some(heard) = self.protocol.heard(down) {
            // Told before it is passed on: what follows from it comes later.
            self.tell(heard.returned);
            near.write_all(&heard.bytes).await?;
        }
        Ok(())
    }

    async fn wait_for_turn(
        &mut self,
        statement: Option<Statement>,
        number: u64,
    ) -> Turn {
        let Some(statement) = statement else {
            return Turn::Go;
        };
        self.records_orders |= statement.records_order();
        let pid = self.protocol.pid();
        let Some(released) = self.steps.hold(statement, self.records_orders, pid)
        else {
            return Turn::Go;
        };
        // Whoever drops it does not watch any more, and the statement goes on.
        let Ok(turn) = released.await else {
            return Turn::Go;
        };
        self.step = Some(number);
        turn
    }

    /// Passes nothing on any more. What came of the last step is told before the end.
    async fn fall_silent(
        &mut self,
        turn: Turn,
        mut near: TcpStream,
        mut far: UnixStream,
        mut down: Vec<u8>,
    ) -> std::io::Result<()> {
        while turn != Turn::Never && self.step.is_some() {
            while let Some(heard) = self.protocol.heard(&mut down) {
                self.tell(heard.returned);
            }
            if self.step.is_some() && far.read_buf(&mut down).await? == 0 {
                return Ok(());
            }
        }
        let mut unread = Vec::new();
        while turn != Turn::Cut && near.read_buf(&mut unread).await? > 0 {
            unread.clear();
        }
        Ok(())
    }

    fn tell(&mut self, returned: Option<(u64, String)>) {
        if let Some((number, text)) = returned
            && self.step == Some(number)
        {
            self.step = None;
            self.steps.returned(&text);
        }
    }
}
