//! A way to sshd that can be cut after any byte of what comes back.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// More bytes than any test carries.
const WHOLE: i64 = i64::MAX / 2;

/// Passes a port on to another one.
pub struct Cutter {
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    to: u16,
    /// Bytes that the server's side may still send before everything is cut.
    left: AtomicI64,
    streams: Mutex<Vec<TcpStream>>,
}

impl Cutter {
    pub fn before(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared { to, left: AtomicI64::new(WHOLE), streams: Mutex::default() });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                accepting.carry(client);
            }
        });
        Self { port, shared }
    }

    /// After so many more bytes of the server's, every connection is cut, and new ones fail.
    pub fn cut_after(&self, bytes: i64) {
        self.shared.left.store(bytes, Ordering::SeqCst);
    }

    /// New connections work again.
    pub fn heal(&self) {
        self.shared.left.store(WHOLE, Ordering::SeqCst);
    }

    /// Whether the line was cut since it was last healed.
    pub fn was_cut(&self) -> bool {
        self.shared.left.load(Ordering::SeqCst) <= 0
    }
}

impl Shared {
    fn carry(self: &Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(("127.0.0.1", self.to)) else { return };
        self.streams.lock().unwrap().extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        let (mut up, mut down) = (client.try_clone().unwrap(), server.try_clone().unwrap());
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut up, &mut down);
            let _ = down.shutdown(Shutdown::Both);
        });
        let shared = Arc::clone(self);
        std::thread::spawn(move || shared.come_back(server, client));
    }

    fn come_back(&self, mut server: TcpStream, mut client: TcpStream) {
        let mut chunk = [0_u8; 4096];
        while let Ok(count @ 1..) = server.read(&mut chunk) {
            let count = i64::try_from(count).unwrap();
            let before = self.left.fetch_sub(count, Ordering::SeqCst);
            let passed = usize::try_from(before.clamp(0, count)).unwrap();
            if client.write_all(&chunk[..passed]).is_err() {
                break;
            }
            if before <= count {
                self.cut();
                return;
            }
        }
        let _ = client.shutdown(Shutdown::Both);
    }

    fn cut(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
