//! The MIME headers of what is in an envelope (RFC 3862 §2.4).

use super::error::CpimError;

/// What they say.
#[derive(Debug, Default)]
pub(super) struct Mime {
    pub(super) media_type: Option<String>,
    pub(super) disposition: Option<String>,
    pub(super) content_id: Option<String>,
    encoding: Option<String>,
    /// The last header, to which a folded line belongs.
    last: Option<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Type,
    Disposition,
    Id,
    Encoding,
    Other,
}

impl Mime {
    /// Whether a line with this name among an envelope's headers belongs to the content: the blank line between them is
    /// missing (pitfall P2). MIME names have no case.
    pub(super) fn owns(name: &str) -> bool {
        let begins = |start: &str| name.get(..start.len()).is_some_and(|have| have.eq_ignore_ascii_case(start));
        begins("content-") || name.eq_ignore_ascii_case("mime-version")
    }

    /// Whether a folded line can follow.
    pub(super) const fn is_open(&self) -> bool {
        self.last.is_some()
    }

    /// One header.
    ///
    /// # Errors
    /// [`CpimError::Repeated`]: with two types one reader would see another content than the next.
    pub(super) fn header(&mut self, name: &str, value: &str) -> Result<(), CpimError> {
        let (field, word) = match name.to_ascii_lowercase().as_str() {
            "content-type" => (Field::Type, "Content-Type"),
            "content-disposition" => (Field::Disposition, "Content-Disposition"),
            "content-id" => (Field::Id, "Content-ID"),
            "content-transfer-encoding" => (Field::Encoding, "Content-Transfer-Encoding"),
            _ => (Field::Other, ""),
        };
        self.last = Some(field);
        match self.slot(field) {
            Some(Some(_)) => Err(CpimError::Repeated(word)),
            Some(slot) => {
                *slot = Some(value.trim().to_owned());
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// A line that goes on with the header before it (RFC 5322 §2.2.3).
    pub(super) fn fold(&mut self, line: &str) {
        if let Some(Some(value)) = self.last.and_then(|field| self.slot(field)) {
            value.push(' ');
            value.push_str(line.trim());
        }
    }

    const fn slot(&mut self, field: Field) -> Option<&mut Option<String>> {
        match field {
            Field::Type => Some(&mut self.media_type),
            Field::Disposition => Some(&mut self.disposition),
            Field::Id => Some(&mut self.content_id),
            Field::Encoding => Some(&mut self.encoding),
            Field::Other => None,
        }
    }

    /// The media type with its parameters.
    ///
    /// # Errors
    /// [`CpimError::NoContentType`]; [`CpimError::Encoded`] if the octets that follow are not the file's own.
    pub(super) fn content_type(&mut self) -> Result<String, CpimError> {
        let encoding = self.encoding.take().unwrap_or_default();
        if !["", "7bit", "8bit", "binary"].iter().any(|plain| encoding.eq_ignore_ascii_case(plain)) {
            return Err(CpimError::Encoded(encoding));
        }
        let word = |word: &str| {
            let separator = |octet: u8| b"()<>@,;:\\\"/[]?=".contains(&octet);
            !word.is_empty() && word.bytes().all(|octet| octet.is_ascii_graphic() && !separator(octet))
        };
        let whole = |media_type: &String| {
            let bare = media_type.split(';').next().unwrap_or_default().trim();
            bare.split_once('/').is_some_and(|(kind, subtype)| word(kind) && word(subtype))
        };
        self.media_type.take().filter(whole).ok_or(CpimError::NoContentType)
    }
}
