//! A server that is none: it greets with a version and a limit, and answers pings.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Speaks for a server of this version until the test ends. Returns its port.
pub(crate) async fn fake(version: &str, max_payload: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let info = format!(
        "INFO {{\"server_id\":\"X\",\"server_name\":\"x\",\"version\":\"{version}\",\"proto\":1,\"go\":\"go1\",\"host\":\"x\",\
         \"port\":{port},\"headers\":true,\"max_payload\":{max_payload},\"client_id\":1}}\r\n"
    );
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(speak(client, info.clone()));
        }
    });
    port
}

async fn speak(mut client: TcpStream, info: String) {
    let mut bytes = [0; 4096];
    let mut sent = client.write_all(info.as_bytes()).await;
    while let (Ok(()), Ok(1..)) = (sent, client.read(&mut bytes).await) {
        sent = client.write_all(b"PONG\r\n").await;
    }
}
