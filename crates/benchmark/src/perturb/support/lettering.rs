//! Text as pixels: an 8x8 bitmap font at whole-number scales, with line breaks between words.

use font8x8::{BASIC_FONTS, LATIN_FONTS, UnicodeFonts};

/// Side of a glyph of the built-in bitmap font, in pixels of the font.
pub const CELL: usize = 8;

/// A block of text in one size, laid out on lines, to draw on an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lettering {
    /// Lines of the text from the top; empty for an empty text.
    pub lines: Vec<String>,
    /// Side of a font pixel in image pixels.
    pub scale: usize,
}

impl Lettering {
    /// Lays out `text` on lines of at most `width` pixels, in glyphs of at most `glyph` pixels, rounded down to a
    /// multiple of 8 and at least 8. Lines break between words. Glyphs shrink when a word does not fit on a line, and
    /// words are broken when they do not fit at the smallest size. An empty text gives no lines.
    #[must_use]
    pub fn set(text: &str, glyph: usize, width: usize) -> Self {
        let longest = text.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(1).max(1);
        let scale = (glyph / CELL).min(width / (CELL * longest)).max(1);
        let columns = (width / (CELL * scale)).max(1);
        let mut lines: Vec<String> = Vec::new();
        for word in text.split_whitespace() {
            let letters: Vec<char> = word.chars().collect();
            for part in letters.chunks(columns) {
                let fits = lines.last().is_some_and(|line| line.chars().count() + 1 + part.len() <= columns);
                match lines.last_mut().filter(|_| fits) {
                    Some(line) => {
                        line.push(' ');
                        line.extend(part);
                    }
                    None => lines.push(part.iter().collect()),
                }
            }
        }
        Self { lines, scale }
    }

    /// Returns width and height of the block in pixels; 0 without lines.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let columns = self.lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
        (columns * CELL * self.scale, self.lines.len() * CELL * self.scale)
    }

    /// Returns whether the pixel (`x`, `y`) of the block, counted from its upper left corner, belongs to a letter's
    /// stroke. False outside the block.
    #[must_use]
    pub fn inked(&self, x: usize, y: usize) -> bool {
        let (x, y) = (x / self.scale, y / self.scale);
        let letter = self.lines.get(y / CELL).and_then(|line| line.chars().nth(x / CELL));
        letter.is_some_and(|letter| (glyph(letter)[y % CELL] >> (x % CELL)) & 1 == 1)
    }
}

/// Returns the rows of a letter, with the lowest bit on the left; a question mark for a letter that the font lacks.
fn glyph(letter: char) -> [u8; CELL] {
    let known = BASIC_FONTS.get(letter).or_else(|| LATIN_FONTS.get(letter));
    known.or_else(|| BASIC_FONTS.get('?')).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_look_like_themselves() {
        let l = Lettering::set("L", 8, 100);
        let rows: Vec<String> =
            (0..8).map(|y| (0..8).map(|x| if l.inked(x, y) { '#' } else { '.' }).collect()).collect();
        assert_eq!(
            rows,
            ["####....", ".##.....", ".##.....", ".##.....", ".##...#.", ".##..##.", "#######.", "........"]
        );
        let doubled = Lettering::set("L", 16, 100);
        assert!((0..16).all(|y| (0..16).all(|x| doubled.inked(x, y) == l.inked(x / 2, y / 2))));
    }

    #[test]
    fn lines_break_at_words_and_shrink_before_words_break() {
        let set = Lettering::set("a large mass here", 16, 160);
        assert_eq!((set.scale, set.lines.as_slice()), (2, ["a large".to_owned(), "mass here".to_owned()].as_slice()));
        assert_eq!(set.size(), (144, 32));
        let narrow = Lettering::set("cardiomegaly", 16, 100);
        assert_eq!((narrow.scale, narrow.lines.len()), (1, 1));
        let broken = Lettering::set("cardiomegaly", 16, 40);
        assert_eq!(broken.lines, ["cardi", "omega", "ly"]);
        assert_eq!(glyph('\u{4e00}'), glyph('?'));
        assert_ne!(glyph('\u{e9}'), glyph('?'));
    }
}
