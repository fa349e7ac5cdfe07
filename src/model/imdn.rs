//! What a message asks to be told of its fate (RFC 5438), as its envelope says it.

/// A kind of disposition notification (RFC 5438 §7.1.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// It has got there.
    PositiveDelivery,
    /// It has not.
    NegativeDelivery,
    /// Somebody on the way has it.
    Processing,
    /// It was shown.
    Display,
}

impl Disposition {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::PositiveDelivery, Self::NegativeDelivery, Self::Processing, Self::Display];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::PositiveDelivery => "positive-delivery",
            Self::NegativeDelivery => "negative-delivery",
            Self::Processing => "processing",
            Self::Display => "display",
        }
    }

    /// The one of this word; there may be others some day, which ask for nothing here.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }
}

/// The headers of RFC 5438 §6 on a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imdn {
    /// `Message-ID`: by what its sender knows it again. It has nothing to do with MSRP's.
    pub message_id: String,
    /// `Disposition-Notification`: what is to be told.
    pub wants: Vec<Disposition>,
    /// `Original-To`: whom it was for before somebody sent it on.
    pub original_to: Option<String>,
    /// `IMDN-Record-Route`: through whom the sender is told, the first one first.
    pub record_route: Vec<String>,
    /// `IMDN-Route`: through whom this notification still has to go.
    pub route: Vec<String>,
    /// Whoever has brought the message has shown who that is: only then somebody is told (RFC 5438 §14). No header says so.
    pub shown: bool,
}

impl Imdn {
    /// Whether its sender wants to be told that.
    pub fn wants(&self, disposition: Disposition) -> bool {
        self.wants.contains(&disposition)
    }
}
