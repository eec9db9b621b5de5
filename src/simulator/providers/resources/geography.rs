//! Where the regions are, as `/subscriptions/{id}/locations` says it (Subscriptions_ListLocations). Pairs
//! and geographies are documented (azure-docs reliability/regions-list); coordinates are as clients were
//! seen to print them, and unverified besides those of the specification's examples.

use serde_json::{Value, json};

struct Place {
    name: &'static str,
    group: &'static str,
    geography: &'static str,
    /// Longitude and latitude, as texts.
    at: (&'static str, &'static str),
    place: &'static str,
    /// Empty: the region has no pair.
    pair: &'static str,
    zones: Zones,
}

/// Whether a region has availability zones; those that have are recommended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zones {
    Three,
    None,
}

const fn place(
    name: &'static str,
    (group, geography): (&'static str, &'static str),
    at: (&'static str, &'static str),
    place: &'static str,
    pair: &'static str,
    zones: Zones,
) -> Place {
    Place { name, group, geography, at, place, pair, zones }
}

const US: (&str, &str) = ("US", "United States");
const CANARY: (&str, &str) = ("US", "Canary (US)");
const CANADA: (&str, &str) = ("Canada", "Canada");
const AUSTRALIA: (&str, &str) = ("Asia Pacific", "Australia");
const ASIA: (&str, &str) = ("Asia Pacific", "Asia Pacific");
const INDIA: (&str, &str) = ("Asia Pacific", "India");
const JAPAN: (&str, &str) = ("Asia Pacific", "Japan");
const KOREA: (&str, &str) = ("Asia Pacific", "Korea");
const EUROPE: (&str, &str) = ("Europe", "Europe");
const UK: (&str, &str) = ("Europe", "United Kingdom");

use Zones::{None as Unzoned, Three};

#[rustfmt::skip]
const PLACES: [Place; 44] = [
    place("australiacentral", AUSTRALIA, ("149.1244", "-35.3075"), "Canberra", "", Unzoned),
    place("australiaeast", AUSTRALIA, ("151.2094", "-33.86"), "New South Wales", "australiasoutheast", Three),
    place("australiasoutheast", AUSTRALIA, ("144.9631", "-37.8136"), "Victoria", "australiaeast", Unzoned),
    place("brazilsouth", ("South America", "Brazil"), ("-46.633", "-23.55"), "Sao Paulo State", "southcentralus", Three),
    place("canadacentral", CANADA, ("-79.383", "43.653"), "Toronto", "canadaeast", Three),
    place("canadaeast", CANADA, ("-71.217", "46.817"), "Quebec", "canadacentral", Unzoned),
    place("centralindia", INDIA, ("73.9197", "18.5822"), "Pune", "southindia", Three),
    place("centralus", US, ("-93.6208", "41.5908"), "Iowa", "eastus2", Three),
    place("centraluseuap", CANARY, ("-93.6208", "41.5908"), "", "eastus2euap", Unzoned),
    place("eastasia", ASIA, ("114.188", "22.267"), "Hong Kong", "southeastasia", Three),
    place("eastus", US, ("-79.8164", "37.3719"), "Virginia", "westus", Three),
    place("eastus2", US, ("-78.3889", "36.6681"), "Virginia", "centralus", Three),
    place("eastus2euap", CANARY, ("-78.3889", "36.6681"), "", "centraluseuap", Unzoned),
    place("francecentral", ("Europe", "France"), ("2.373", "46.3772"), "Paris", "francesouth", Three),
    place("germanywestcentral", ("Europe", "Germany"), ("8.682127", "50.110924"), "Frankfurt", "germanynorth", Three),
    place("israelcentral", ("Middle East", "Israel"), ("33.4506633", "31.2655698"), "Israel", "", Three),
    place("italynorth", ("Europe", "Italy"), ("9.18109", "45.46888"), "Milan", "", Three),
    place("japaneast", JAPAN, ("139.77", "35.68"), "Tokyo, Saitama", "japanwest", Three),
    place("japanwest", JAPAN, ("135.5022", "34.6939"), "Osaka", "japaneast", Three),
    place("koreacentral", KOREA, ("126.978", "37.5665"), "Seoul", "koreasouth", Three),
    place("koreasouth", KOREA, ("129.0756", "35.1796"), "Busan", "koreacentral", Unzoned),
    place("mexicocentral", ("Mexico", "Mexico"), ("-100.389888", "20.588818"), "Querétaro State", "", Three),
    place("newzealandnorth", ("Asia Pacific", "New Zealand"), ("174.76349", "-36.84853"), "Auckland", "", Three),
    place("northcentralus", US, ("-87.6278", "41.8819"), "Illinois", "southcentralus", Unzoned),
    place("northeurope", EUROPE, ("-6.2597", "53.3478"), "Ireland", "westeurope", Three),
    place("norwayeast", ("Europe", "Norway"), ("10.752245", "59.913868"), "Norway", "norwaywest", Three),
    place("polandcentral", ("Europe", "Poland"), ("21.01666", "52.23334"), "Warsaw", "", Three),
    place("qatarcentral", ("Middle East", "Qatar"), ("51.439327", "25.551462"), "Doha", "", Three),
    place("southafricanorth", ("Africa", "South Africa"), ("28.21837", "-25.73134"), "Johannesburg", "southafricawest", Three),
    place("southcentralus", US, ("-98.5", "29.4167"), "Texas", "northcentralus", Three),
    place("southeastasia", ASIA, ("103.833", "1.283"), "Singapore", "eastasia", Three),
    place("southindia", INDIA, ("80.1636", "12.9822"), "Chennai", "centralindia", Unzoned),
    place("spaincentral", ("Europe", "Spain"), ("-3.4209", "40.4259"), "Madrid", "", Three),
    place("swedencentral", ("Europe", "Sweden"), ("17.14127", "60.67488"), "Gävle", "swedensouth", Three),
    place("switzerlandnorth", ("Europe", "Switzerland"), ("8.564572", "47.451542"), "Zurich", "switzerlandwest", Three),
    place("uaenorth", ("Middle East", "UAE"), ("55.316666", "25.266666"), "Dubai", "uaecentral", Three),
    place("uksouth", UK, ("-0.799", "50.941"), "London", "ukwest", Three),
    place("ukwest", UK, ("-3.084", "53.427"), "Cardiff", "uksouth", Unzoned),
    place("westcentralus", US, ("-110.234", "40.89"), "Wyoming", "westus2", Unzoned),
    place("westeurope", EUROPE, ("4.9", "52.3667"), "Netherlands", "northeurope", Three),
    place("westindia", INDIA, ("72.868", "19.088"), "Mumbai", "southindia", Unzoned),
    place("westus", US, ("-122.417", "37.783"), "California", "eastus", Unzoned),
    place("westus2", US, ("-119.852", "47.233"), "Washington", "westcentralus", Three),
    place("westus3", US, ("-112.074036", "33.448376"), "Phoenix", "eastus", Three),
];

/// The entry of a region; `base` is the subscription's path.
pub(in crate::providers) fn document(base: &str, name: &str, shown: &str) -> Value {
    let id = |name: &str| format!("{base}/locations/{name}");
    let mut document = json!({
        "id": id(name), "name": name, "type": "Region", "displayName": shown, "regionalDisplayName": shown,
        "metadata": { "regionType": "Physical", "regionCategory": "Other" },
    });
    let Some(place) = PLACES.iter().find(|place| place.name == name) else { return document };
    let pairs: Vec<Value> = match place.pair {
        "" => Vec::new(),
        pair => vec![json!({ "name": pair, "id": id(pair) })],
    };
    document["regionalDisplayName"] = json!(format!("({}) {shown}", place.group));
    document["metadata"] = json!({
        "regionType": "Physical", "geographyGroup": place.group, "geography": place.geography,
        "regionCategory": if place.zones == Three { "Recommended" } else { "Other" },
        "longitude": place.at.0, "latitude": place.at.1, "physicalLocation": place.place, "pairedRegion": pairs,
    });
    if place.zones == Three {
        // Which physical zone a logical one is differs from subscription to subscription.
        let mappings = [("1", "az1"), ("2", "az3"), ("3", "az2")].map(|(logical, physical)| {
            json!({ "logicalZone": logical, "physicalZone": format!("{name}-{physical}") })
        });
        document["availabilityZoneMappings"] = json!(mappings);
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::resources::subscriptions;

    #[test]
    fn every_region_has_its_place_and_pairs_are_mutual_but_for_three() {
        for name in subscriptions::names() {
            assert!(PLACES.iter().any(|place| place.name == name), "{name}");
        }
        let pair = |name: &str| PLACES.iter().find(|place| place.name == name).map(|place| place.pair);
        let one_way: Vec<&str> = PLACES
            .iter()
            .filter(|place| pair(place.pair).is_some_and(|back| back != place.name))
            .map(|place| place.name)
            .collect();
        assert_eq!(one_way, ["brazilsouth", "westindia", "westus3"]);
    }
}
