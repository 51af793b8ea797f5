// Package sample is the sample campaign: files only, embedded so that the
// program runs from any folder. README.md names their sources and licences;
// cohort/rehearse makes and reads them.
package sample

import "embed"

// Files holds campaign.toml, clinics.csv, supply.csv, population.csv, trustees.json, quicknet-1000.json and
// contributions.txt.
//
//go:embed *.toml *.csv *.json *.txt
var Files embed.FS
