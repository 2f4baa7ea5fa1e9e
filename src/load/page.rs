//! A report as one page that needs nothing else: the figures, and plots over time and of the distributions.

use super::report::Report;

const PAGE: &str = include_str!("page.html");
const CHARTS: &str = include_str!("../../assets/vendor/uplot/uPlot.iife.min.js");
const CHARTS_STYLE: &str = include_str!("../../assets/vendor/uplot/uPlot.min.css");

impl Report {
    /// The page.
    #[must_use]
    pub fn page(&self) -> String {
        let data = self.json();
        // The only text that a user of the page has chosen is an address; nothing may end the script that it stands in.
        let data = data.replace('<', "\\u003c");
        PAGE.replace("/*charts.css*/", CHARTS_STYLE).replace("/*charts.js*/", CHARTS).replace("/*data*/null", &data)
    }

    /// The report for machines, as one JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers and texts can be written as JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_of_the_page_is_there_once() {
        for place in ["/*charts.css*/", "/*charts.js*/", "/*data*/null"] {
            assert_eq!(PAGE.matches(place).count(), 1, "{place}");
            assert!(!CHARTS.contains(place) && !CHARTS_STYLE.contains(place));
        }
        assert!(!PAGE.contains("http://") && !PAGE.contains("https://"));
    }
}
