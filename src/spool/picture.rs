//! An object as the preview picture of another one.

use super::envelope::Icon;
use super::error::SpoolError;
use super::store::Spool;
use crate::model::ObjectUri;
use crate::model::limits::ICON_OCTETS;

impl Spool {
    /// The object of this name, if it is there, is a picture, and is small enough to be an icon.
    ///
    /// # Errors
    /// Those of [`Spool::find`] and [`Spool::read`].
    pub fn picture(&self, uri: &ObjectUri) -> Result<Option<Icon>, SpoolError> {
        let Some(object) = self.find(uri)? else { return Ok(None) };
        let envelope = object.envelope();
        let size = usize::try_from(envelope.size()).unwrap_or(usize::MAX);
        let media_type = envelope.file.media_type.clone().filter(|kind| kind.starts_with("image/"));
        let Some(media_type) = media_type.filter(|_| size <= ICON_OCTETS) else { return Ok(None) };
        let body = self.read(&object)?;
        let mut octets = vec![0; size];
        let mut at = 0;
        while at < size {
            match body.read_at(at as u64, &mut octets[at..])? {
                0 => return Ok(None),
                read => at += read,
            }
        }
        Ok(Some(Icon { media_type, octets }))
    }
}
