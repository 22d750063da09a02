//! [`Loss`]: a device is lost once, and everybody is told why.

use tokio::sync::watch;

use crate::device::Fault;

/// Whether a device is lost, and why. The first reason stays.
#[derive(Debug)]
pub struct Loss(watch::Sender<Option<String>>);

impl Default for Loss {
    fn default() -> Self {
        Self::new()
    }
}

impl Loss {
    /// Not lost.
    pub fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// The device is lost from now on.
    pub fn lose(&self, reason: impl Into<String>) {
        let reason = reason.into();
        let is_first = self.0.send_if_modified(|known| {
            let is_first = known.is_none();
            if is_first {
                *known = Some(reason.clone());
            }
            is_first
        });
        if is_first {
            tracing::warn!(reason, "a device is lost");
        }
    }

    /// Whether it is lost.
    pub fn is_lost(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// `Err` if it is lost.
    ///
    /// # Errors
    ///
    /// `Lost`, with the reason.
    pub fn check(&self) -> Result<(), Fault> {
        match &*self.0.borrow() {
            Some(reason) => Err(Fault::Lost(reason.clone())),
            None => Ok(()),
        }
    }

    /// Completes when it is lost.
    pub async fn wait(&self) -> Fault {
        let mut receiver = self.0.subscribe();
        match receiver.wait_for(Option::is_some).await {
            Ok(reason) => Fault::Lost(reason.clone().unwrap_or_default()),
            // Cannot be: the sender is here.
            Err(_) => Fault::Lost("the device was dropped".into()),
        }
    }
}
