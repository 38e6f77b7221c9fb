//! tokio on one thread, in the shape of its front page: a task for each connection, read, then write all.
//! `tokio-echo PORT [BYTES]`: BYTES is what one read takes at most, 1,024 as on that page.
use std::{env, io};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

async fn echo(mut client: TcpStream, bytes: usize) -> io::Result<()> {
    let mut buffer = vec![0; bytes];
    loop {
        let got = client.read(&mut buffer).await?;
        if got == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..got]).await?;
    }
}

async fn serve(port: u16, bytes: usize) -> io::Result<()> {
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(echo(client, bytes));
    }
}

fn main() -> io::Result<()> {
    let argument = |n: usize, otherwise| env::args().nth(n).and_then(|a| a.parse().ok()).unwrap_or(otherwise);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    runtime.block_on(serve(argument(1, 7862) as u16, argument(2, 1024)))
}
