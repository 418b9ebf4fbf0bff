// Draws what page.js holds. Whatever comes from files is set as text, never as HTML.

export const LETTERS = ["", "A", "B", "C", "D", "E"];
const THUMBS = 11;
const WHY = {
  coverage: "asked because it differs from what was coded",
  doubt: "asked because the model doubts",
  rare: "asked for a rare AU",
  random: "drawn at random",
  sudden: "the codes change suddenly here",
};

export const at = (id) => document.getElementById(id);
export const picture = (row) => `face/${row}`;

function element(kind, name, text) {
  const made = document.createElement(kind);
  made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

export function drawAus(about, press) {
  at("aus").replaceChildren(...about.aus.map((told, place) => {
    const row = element("button", "au");
    row.id = `au-${told.au}`;
    const key = element("kbd", "key", told.key.toUpperCase());
    if (!told.key) key.style.visibility = "hidden";
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.append(document.createElementNS("http://www.w3.org/2000/svg", "rect"));
    svg.setAttribute("viewBox", "0 0 100 10");
    svg.setAttribute("preserveAspectRatio", "none");
    const belief = element("span", "belief");
    belief.append(svg, element("span", "share"));
    row.append(element("span", "mark"), key, element("span", "number", `AU${told.au}`),
      element("span", "name", told.name), element("span", "said"), belief,
      element("span", "times"));
    row.addEventListener("click", () => press(place));
    return row;
  }));
}

export function said(draft, au, graded) {
  if (draft.occurrence[au] === null) return "? unclear";
  if (!draft.occurrence[au]) return "absent";
  const side = draft.sides[au] ? `${draft.sides[au] === "L" ? "left" : "right"} ` : "";
  const level = draft.intensity[au];
  if (level) return `${side}${LETTERS[level]}`;
  return graded ? `${side}A–E?` : `${side}✓ present`;
}

export function drawDraft(state) {
  state.about.aus.forEach((told, place) => {
    const row = at(`au-${told.au}`);
    const text = said(state.draft, told.au, state.graded);
    const present = state.draft.occurrence[told.au] === 1;
    row.classList.toggle("present", present);
    row.classList.toggle("unclear", state.draft.occurrence[told.au] === null);
    row.classList.toggle("here", place === state.here);
    row.setAttribute("aria-pressed", String(present));
    row.querySelector(".mark").textContent = place === state.here ? "▸" : "";
    row.querySelector(".said").textContent = text;
    const share = state.modelShown && state.face && state.face.beliefs ? state.face.beliefs[told.au] : undefined;
    const belief = row.querySelector(".belief");
    belief.style.visibility = share === undefined ? "hidden" : "visible";
    belief.querySelector("rect").setAttribute("width", String(Math.round(100 * (share || 0))));
    belief.querySelector("rect").setAttribute("height", "10");
    belief.querySelector(".share").textContent = share === undefined ? "" : `${Math.round(100 * share)} %`;
    row.querySelector(".times").textContent = `×${state.progress.present[told.au]}`;
    const coded = state.progress.present[told.au];
    row.title = `${told.name}: present in ${coded} coded face${coded === 1 ? "" : "s"}`;
    row.setAttribute("aria-label", `AU${told.au} ${told.name}: ${text}${share === undefined ? "" :
      `, model ${Math.round(100 * share)} percent`}`);
  });
  const told = state.about.aus[state.here];
  at(`au-${told.au}`).scrollIntoView({ block: "nearest" });
  const count = state.progress.present[told.au];
  at("look").replaceChildren(
    element("b", "", `AU${told.au} ${told.name}`), document.createTextNode(told.look),
    element("b", "", `Coded present ${count} time${count === 1 ? "" : "s"} so far.`));
  at("grade").setAttribute("aria-pressed", String(state.graded));
  at("model").setAttribute("aria-pressed", String(state.modelShown && !state.about.blind));
  at("model").disabled = state.about.blind;
}

export function drawFace(state) {
  const face = state.face;
  at("stage").style.visibility = face ? "visible" : "hidden";
  if (!face) return;
  at("about").textContent = [...new Set([face.subject, face.clip])].filter(Boolean).join(" · ");
  at("why").textContent = state.visiting ? "answered before: Enter saves what you change" :
    face.beliefs === null && !state.about.blind ? "coded blind: the model stays hidden here" : WHY[face.why] || face.why;
  const known = face.reference !== null && face.reference !== undefined;
  at("reference").style.visibility = known ? "visible" : "hidden";
  if (known) at("reference").src = picture(face.reference);
  at("reference").alt = known ? "The person's usual look" : "";
  at("usual").textContent = !known ? "no other face of this person" :
    state.about.corrects ? "where the codes see least" : "usual look of this person";
  drawFrame(state);
}

export function drawFrame(state) {
  const face = state.face;
  const home = face.around.indexOf(face.row);
  const row = face.around[state.shown];
  at("face").src = picture(row);
  at("face").classList.toggle("asked", row === face.row);
  const apart = state.shown - home;
  const time = face.times[state.shown];
  const seconds = time === null || face.time === null ? "" : `, ${(time - face.time).toFixed(2)} s`;
  const away = `${apart > 0 ? "+" : "−"}${Math.abs(apart)} frame${Math.abs(apart) === 1 ? "" : "s"}${seconds.replace("-", "−")}`;
  const when = face.time === null ? "" : ` · ${face.time.toFixed(2)} s`;
  at("where").textContent = apart ? `${away}: not the frame to code` : `frame ${face.frame}${when} — the frame to code`;
  at("face").alt = apart ? `${away} of the face to code` : "The face to code";
  const first = state.shown - (THUMBS - 1) / 2;
  at("film").replaceChildren(...Array.from({ length: THUMBS }, (_, step) => {
    const place = first + step;
    if (place < 0 || place >= face.around.length) return document.createElement("i");
    const thumb = document.createElement("img");
    thumb.alt = "";
    thumb.src = picture(face.around[place]);
    thumb.classList.toggle("asked", place === home);
    thumb.classList.toggle("shown", place === state.shown);
    return thumb;
  }));
}

export function drawProgress(state) {
  const told = state.progress;
  const pace = told.seconds === null ? "" : ` · ${told.seconds.toFixed(1)} s a face`;
  const twice = told.double ? ` · ${told.double} coded twice` : "";
  at("counts").textContent = `${told.coded} coded (${told.today} now) of ${told.faces.toLocaleString("en")} · people ` +
    `${told.people[0]}/${told.people[1]} · clips ${told.clips[0]}/${told.clips[1]}${pace}${twice}`;
  if (told.problem) alertWith(told.problem);
}

export function alertWith(text) {
  at("alert").textContent = text ? `⚠ ${text}` : "";
  at("alert").hidden = !text;
}
