# %% [markdown]
# # A plant day in four pictures
#
# Views of the history on DuckDB, drawn with matplotlib. `history` is the folder of a history and `pictures` where
# pictures go. Without settings they are `plant-day`, which `python -m sandbox.plant_history --out plant-day` fills with
# a simulated day, and the folder of the notebook.
#
# Needs the extra `analyst` (DuckDB) and matplotlib.

# %%
import os
from pathlib import Path

import matplotlib.pyplot as plt

from sinks.history.query import query

history = Path(os.environ.get("HISTORY", "plant-day"))
pictures = Path(os.environ.get("PICTURES", "."))
plt.rcParams.update({
    "figure.figsize": (9, 4.6), "figure.dpi": 110, "savefig.bbox": "tight", "font.size": 10,
    "axes.titlesize": 12, "axes.titleweight": "bold", "axes.titlelocation": "left", "axes.titlepad": 12,
    "axes.spines.top": False, "axes.spines.right": False, "axes.axisbelow": True,
})  # fmt: skip
THOUSANDS = plt.matplotlib.ticker.StrMethodFormatter("{x:,.0f}")
GOOD, SCRAP, REWORK, PALE, DARK = "#2a6f97", "#c1440e", "#e0a458", "#d9dee3", "#22313f"

# %% [markdown]
# ## Which shift made how much?
#
# `production_by_shift` joins each event to the shift of the plant's calendar: a night shift belongs to the date on
# which it begins.

# %%
shifts = query(history, "FROM production_by_shift WHERE unit = 'C62'")
names = {
    (row["posting_date"], row["shift"]): f"{row['shift']}  {row['posting_date']:%d %b}" for row in shifts.to_dicts()
}
totals = {key: [0.0, 0.0, 0.0] for key in names}
for row in shifts.to_dicts():
    for place, measure in enumerate(("good", "scrap", "rework")):
        totals[row["posting_date"], row["shift"]][place] += float(row[measure])

figure, axis = plt.subplots()
bottom = [0.0] * len(totals)
for place, (label, color) in enumerate((("good", GOOD), ("rework", REWORK), ("scrap", SCRAP))):
    heights = [values[(0, 2, 1)[place]] for values in totals.values()]
    axis.bar(list(names.values()), heights, 0.55, bottom=bottom, color=color, label=label)
    bottom = [one + other for one, other in zip(bottom, heights, strict=True)]
for place, (values, top) in enumerate(zip(totals.values(), bottom, strict=True)):
    axis.annotate(
        f"{values[1] / top:.1%} scrap", (place, top), (0, 4), textcoords="offset points", ha="center", color=DARK
    )
axis.set(
    title="Pieces by shift, all work centres",
    ylabel="pieces (C62)",
    xlabel="shift of the plant's calendar, and the date on which it begins",
)
axis.grid(axis="y", color=PALE)
axis.yaxis.set_major_formatter(THOUSANDS)
axis.legend(frameon=False, ncols=3, loc="upper left", bbox_to_anchor=(0, -0.18))
figure.savefig(pictures / "production-by-shift.png")

# %% [markdown]
# ## Why are pieces scrapped?

# %%
pareto = query(history, "FROM scrap_pareto WHERE unit = 'C62'").to_dicts()
reasons = [row["reason"] or "(none given)" for row in pareto]

figure, axis = plt.subplots()
bars = axis.bar(reasons, [float(row["scrap"]) for row in pareto], 0.6, color=SCRAP)
axis.bar_label(bars, [f"{row['percent']:.1f} %" for row in pareto], padding=3, color=DARK)
axis.set(title="Scrap by reason", ylabel="pieces scrapped (C62)", xlabel="scrap reason")
axis.grid(axis="y", color=PALE)
axis.yaxis.set_major_formatter(THOUSANDS)
share = axis.twinx()
share.plot(reasons, [row["percent_upto"] for row in pareto], color=DARK, marker="o", linewidth=1.5)
share.set(ylim=(0, 105), ylabel="share of all scrap up to here (%)")
axis.set_ylim(top=axis.get_ylim()[1] * 1.12)
figure.savefig(pictures / "scrap-pareto.png")

# %% [markdown]
# ## Where does planned busy time go?
#
# The elements of ISO 22400 add up: production (APT), setup (AUST), delay (ADET) and down time (ADOT) are the planned
# busy time (PBT).

# %%
elements = query(history, "FROM oee_elements ORDER BY availability DESC").to_dicts()
centers = [row["work_center"] for row in elements]
parts = {
    "apt": ("production (APT)", GOOD),
    "aust": ("setup (AUST)", "#8ab6d6"),
    "adet": ("delay (ADET)", REWORK),
    "adot": ("down (ADOT)", SCRAP),
}

figure, axis = plt.subplots(figsize=(9, 5.6))
left = [0.0] * len(centers)
for name, (label, color) in parts.items():
    hours = [float(row[name]) / 3600 for row in elements]
    axis.barh(centers, hours, 0.7, left=left, color=color, label=label)
    left = [one + other for one, other in zip(left, hours, strict=True)]
for place, (row, end) in enumerate(zip(elements, left, strict=True)):
    axis.annotate(
        f"{row['availability']:.0%}", (end, place), (5, 0), textcoords="offset points", va="center", color=DARK
    )
axis.invert_yaxis()
axis.set(title="Planned busy time (PBT) by work centre, and availability (APT / PBT)", xlabel="hours")
axis.grid(axis="x", color=PALE)
axis.legend(frameon=False, ncols=4, loc="upper left", bbox_to_anchor=(-0.02, -0.1))
figure.savefig(pictures / "oee-elements.png")

# %% [markdown]
# ## When did a press stand still?
#
# Views and tables of events join freely: pieces made so far, over the stops of the same work centre.

# %%
center = "PRESS-11"
made = query(
    history,
    f"""
    SELECT event_time, sum(good) OVER (ORDER BY event_time, event_id) AS pieces
    FROM production_events WHERE work_center = '{center}' AND counting = 'DELTA' ORDER BY event_time
""",
)
states = query(history, f"FROM state_intervals WHERE work_center = '{center}' AND seconds >= 120").to_dicts()
stops = [each for each in states if each["state"] in ("DOWN", "DELAY")]
planned = [each for each in states if each["state"] in ("SETUP", "PLANNED_DOWN", "OFF")]

figure, axis = plt.subplots()
axis.step(
    made["event_time"].to_list(), [float(pieces) for pieces in made["pieces"]], where="post", color=GOOD, linewidth=1.8
)
for spans, color, label in ((planned, "#9aa5b1", "setup, break or off"), (stops, SCRAP, "stop of two minutes or more")):
    for number, span in enumerate(spans):
        axis.axvspan(
            span["begins"], span["ends"], color=color, alpha=0.35, linewidth=0, label=None if number else label
        )
longest = max(stops, key=lambda stop: stop["seconds"])
axis.annotate(
    f"longest: {float(longest['seconds']) / 60:.0f} min, {longest['reason'] or 'no reason given'}",
    (longest["begins"], axis.get_ylim()[1] * 0.97), (6, 0), textcoords="offset points", va="top", color=DARK,
    bbox={"facecolor": "white", "edgecolor": "none", "pad": 2},
)  # fmt: skip
axis.set(
    title=f"{center}: good pieces made, and its stops", ylabel="good pieces so far (C62)", xlabel="time of day (UTC)"
)
axis.xaxis.set_major_formatter(plt.matplotlib.dates.DateFormatter("%H:%M"))
axis.grid(axis="y", color=PALE)
axis.yaxis.set_major_formatter(THOUSANDS)
axis.legend(frameon=True, edgecolor="none", loc="lower right")
figure.savefig(pictures / "output-and-stops.png")
