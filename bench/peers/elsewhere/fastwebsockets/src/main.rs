// The server of bench/run on fastwebsockets and Tokio, on one thread. It answers the handshake by itself.
use base64::{engine::general_purpose::STANDARD, Engine};
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, Role, WebSocket};
use sha1::{Digest, Sha1};
use std::cell::RefCell;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

type Receivers = Rc<RefCell<Vec<mpsc::UnboundedSender<Rc<Vec<u8>>>>>>;

async fn accept(stream: &mut TcpStream) -> Option<String> {
    stream.set_nodelay(true).ok()?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut piece = [0; 2048];
        match stream.read(&mut piece).await.ok()? {
            0 => return None,
            count => head.extend_from_slice(&piece[..count]),
        }
    }

    let head = String::from_utf8(head).ok()?;
    let path = head.split(' ').nth(1)?.to_string();
    let (_, key) = head.lines().filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("Sec-WebSocket-Key"))?;
    let accept = STANDARD.encode(Sha1::new().chain_update(key.trim()).chain_update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11").finalize());
    let answer = format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.ok()?;
    Some(path)
}

async fn talk(mut stream: TcpStream, receivers: Receivers) -> Option<()> {
    let path = accept(&mut stream).await?;
    let mut socket = WebSocket::after_handshake(stream, Role::Server);
    if path == "/fanout" {
        let (sender, mut messages) = mpsc::unbounded_channel();
        receivers.borrow_mut().push(sender);
        while let Some(message) = messages.recv().await {
            socket.write_frame(Frame::binary(Payload::Borrowed(&message))).await.ok()?;
        }
    }

    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await.ok()?;
        match frame.opcode {
            OpCode::Close => return Some(()),
            OpCode::Text | OpCode::Binary if path == "/echo" => socket.write_frame(frame).await.ok()?,
            OpCode::Text | OpCode::Binary => {
                let message = Rc::new(frame.payload.to_vec());
                receivers.borrow_mut().retain(|receiver| receiver.send(message.clone()).is_ok());
            }
            _ => {}
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, async {
        let receivers = Receivers::default();
        let listener = TcpListener::bind(format!("127.0.0.1:{}", std::env::args().nth(1).unwrap())).await.unwrap();
        while let Ok((stream, _)) = listener.accept().await {
            let receivers = receivers.clone();
            tokio::task::spawn_local(tokio::task::unconstrained(async move { talk(stream, receivers).await }));
        }
    });
}
