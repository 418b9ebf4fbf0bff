// One coder at work: keys, what is drafted, and talk with the server. An answer counts when the server says so.

import { LETTERS, alertWith, at, drawAus, drawDraft, drawFace, drawFrame, drawProgress, picture } from "./view.js";

const state = {
  about: null, face: null, progress: null, draft: null, before: [], here: 0, shown: 0, graded: false,
  modelShown: true, visiting: false, changed: false, busy: false, waiting: [], began: 0, spent: 0, playing: null,
};

function tab() {
  let own = sessionStorage.getItem("tab");
  if (!own) {
    own = crypto.randomUUID();
    sessionStorage.setItem("tab", own);
  }
  return own;
}

async function ask(action, told) {
  try {
    const answer = await fetch(action, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ tab: tab(), ...told }),
    });
    const found = answer.headers.get("Content-Type") === "application/json" ? await answer.json() : {};
    if (!answer.ok) throw new Error(found.error || `the server refused this (${answer.status})`);
    alertWith("");
    return found;
  } catch (error) {
    const lost = error instanceof TypeError;
    state.waiting = []; // meant for a face that did not come
    alertWith(lost ? "Not saved: the program does not answer. Start `sparsefacs label` again and open the address that " +
      "it prints; all earlier answers are in the file." : error.message);
    return null;
  }
}

// ---- what is drafted -------------------------------------------------------------------------------------------

function blank(face) {
  const draft = { occurrence: {}, intensity: {}, sides: {} };
  for (const { au } of state.about.aus) draft.occurrence[au] = face.prefill && au in face.prefill ? face.prefill[au] : 0;
  return draft;
}

function begin(found, visiting, text) {
  stop();
  state.progress = found.progress;
  state.face = found.face;
  state.visiting = visiting;
  state.changed = false;
  state.before = [];
  if (state.face) {
    const given = state.face.answer;
    state.draft = blank(state.face);
    if (given && given.state === "coded") {
      for (const { au } of state.about.aus) state.draft.occurrence[au] = given.occurrence[au] ?? null;
      state.draft.intensity = { ...given.intensity };
      state.draft.sides = { ...given.sides };
    }
    at("note").value = given ? given.note : "";
    state.shown = state.face.around.indexOf(state.face.row);
    for (const row of state.face.around) new Image().src = picture(row);
  }
  state.spent = 0;
  state.began = performance.now();
  drawFace(state);
  drawDraft(state);
  drawProgress(state);
  at("said").textContent = state.face ? text : "All faces that there are to ask have an answer.";
}

function change(edit) {
  if (!state.face) return;
  state.before.push(structuredClone(state.draft));
  edit(state.draft);
  state.changed = true;
  drawDraft(state);
}

function set(draft, au, present, level) {
  draft.occurrence[au] = present;
  delete draft.intensity[au];
  if (present !== 1) delete draft.sides[au];
  if (present === 1 && level) draft.intensity[au] = level;
}

function press(place) {
  state.here = place;
  const { au } = state.about.aus[place];
  change((draft) => set(draft, au, draft.occurrence[au] === 1 ? 0 : 1));
}

const current = () => state.about.aus[state.here].au;
const grade = (level) => change((draft) => set(draft, current(), 1, level));
const unclear = () => change((draft) => set(draft, current(), draft.occurrence[current()] === null ? 0 : null));

function turn() {
  change((draft) => {
    const au = current();
    if (draft.occurrence[au] !== 1) set(draft, au, 1);
    const next = { "": "L", L: "R", R: "" }[draft.sides[au] || ""];
    if (next) draft.sides[au] = next;
    else delete draft.sides[au];
  });
}

// ---- answers -----------------------------------------------------------------------------------------------------

function seconds() {
  return (state.spent + (document.hidden ? 0 : performance.now() - state.began)) / 1000;
}

async function save(kind) {
  if (!state.face) return;
  if (state.visiting && kind === "coded" && !state.changed) return void step(1);
  const intensity = { ...state.draft.intensity };
  if (state.graded) {
    for (const { au } of state.about.aus) if (state.draft.occurrence[au] === 0) intensity[au] = 0;
  }
  const told = { row: state.face.row, state: kind, occurrence: state.draft.occurrence, intensity,
    sides: state.draft.sides, note: at("note").value, seconds: seconds() };
  const found = await ask("answer", told);
  if (found) begin(found, false, { coded: "Saved.", skipped: "Skipped.", unusable: "Saved: cannot be judged." }[kind]);
}

async function undo() {
  if (state.before.length) {
    state.draft = state.before.pop();
    drawDraft(state);
    return;
  }
  const found = await ask("undo", {});
  if (!found) return;
  if (found.face) begin(found, false, "Taken back; Enter saves it anew.");
  else at("said").textContent = "There is nothing to undo.";
}

async function step(way) {
  const row = state.visiting && state.face ? state.face.row : -1;
  if (row < 0 && way > 0) return;
  const found = await ask("visit", { row, step: way });
  if (!found) return;
  if (found.face) begin(found, true, "");
  else if (way > 0) await next("");
  else at("said").textContent = "There is no earlier answer.";
}

async function next(text) {
  const found = await ask("next", {});
  if (found) begin(found, false, text);
}

// ---- the moment ----------------------------------------------------------------------------------------------------

function scrub(way) {
  if (!state.face) return;
  stop();
  state.shown = Math.min(Math.max(state.shown + way, 0), state.face.around.length - 1);
  drawFrame(state);
}

function home() {
  if (!state.face) return;
  stop();
  state.shown = state.face.around.indexOf(state.face.row);
  drawFrame(state);
}

function play(slower) {
  if (state.playing !== null) return void home();
  if (!state.face || state.face.around.length < 2) return;
  at("play").setAttribute("aria-pressed", "true");
  const tick = () => {
    const { around, times } = state.face;
    state.shown = (state.shown + 1) % around.length;
    drawFrame(state);
    const later = times[state.shown + 1], now = times[state.shown];
    const wait = later === undefined || later === null || now === null ? 0.2 : Math.min(Math.max(later - now, 0.02), 0.5);
    state.playing = setTimeout(tick, 1000 * wait * slower);
  };
  state.playing = setTimeout(tick, 0);
}

function stop() {
  clearTimeout(state.playing);
  state.playing = null;
  at("play").setAttribute("aria-pressed", "false");
}

// ---- keys ----------------------------------------------------------------------------------------------------------

const COMMANDS = {
  Enter: () => save("coded"), s: () => save("skipped"), X: () => save("unusable"), x: unclear, v: turn, z: undo,
  Backspace: (event) => step(event.shiftKey ? 1 : -1), PageUp: () => step(-1), PageDown: () => step(1),
  Escape: () => state.visiting && next(""), ArrowLeft: (event) => scrub(event.shiftKey ? -5 : -1),
  ArrowRight: (event) => scrub(event.shiftKey ? 5 : 1), Home: home, " ": (event) => play(event.shiftKey ? 4 : 1),
  ArrowUp: () => move(-1), ArrowDown: () => move(1), n: () => at("note").focus(), i: toggleGrade, m: toggleModel,
  "?": help,
};

function move(way) {
  const count = state.about.aus.length;
  state.here = (state.here + way + count) % count;
  drawDraft(state);
}

function toggleGrade() {
  state.graded = !state.graded;
  localStorage.setItem("graded", String(state.graded));
  drawDraft(state);
}

function toggleModel() {
  state.modelShown = !state.modelShown;
  localStorage.setItem("model", String(state.modelShown));
  drawDraft(state);
}

function help() {
  if (at("keys").open) at("keys").close();
  else at("keys").showModal();
  at("help").setAttribute("aria-expanded", String(at("keys").open));
}

function keyOf(event) {
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  return digit ? digit[1] : event.key; // the row of digits, also where they need shift
}

document.addEventListener("keydown", (event) => {
  if (!state.about || event.isComposing || at("keys").open) return;
  if (event.target === at("note")) {
    if (event.key === "Enter" || event.key === "Escape") {
      event.preventDefault();
      at("note").blur();
    }
    return;
  }
  const key = keyOf(event);
  const undoing = (event.ctrlKey || event.metaKey) && key.toLowerCase() === "z";
  if ((event.ctrlKey || event.metaKey || event.altKey) && !undoing) return;
  if (document.activeElement instanceof HTMLButtonElement && (key === "Enter" || key === " ")) return;
  const level = LETTERS.indexOf(key.toUpperCase());
  const place = state.about.aus.findIndex((told) => told.key && told.key === key);
  let act = COMMANDS[key] || (key === "Z" || key === "S" || key === "V" ? COMMANDS[key.toLowerCase()] : null);
  if (undoing) act = undo;
  else if (level > 0 && (event.shiftKey || state.graded)) act = () => grade(level);
  else if (place >= 0) act = () => press(place);
  if (!act) return;
  event.preventDefault();
  if (event.repeat && !key.startsWith("Arrow")) return; // a key held down answers one face, not ten
  run(() => act(event));
});

// What is pressed while an answer is on its way is meant for the face that follows.
async function run(act) {
  state.waiting.push(act);
  if (state.busy) return;
  state.busy = true;
  while (state.waiting.length) await state.waiting.shift()();
  state.busy = false;
}

const CLICKS = {
  grade: toggleGrade, model: toggleModel, help, close: help, back: () => step(-1), undo, skip: () => save("skipped"),
  unusable: () => save("unusable"), save: () => save("coded"), earlier: () => scrub(-1), later: () => scrub(1),
  play: () => play(1), home,
};
for (const [id, act] of Object.entries(CLICKS)) at(id).addEventListener("click", () => run(act));
at("note").addEventListener("input", () => { state.changed = true; });
document.addEventListener("click", (event) => { // after a mouse click keys mean the face again
  if (event.detail && document.activeElement instanceof HTMLButtonElement) document.activeElement.blur();
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) state.spent += performance.now() - state.began;
  state.began = performance.now();
});

async function start() {
  const told = await fetch("about");
  state.about = await told.json();
  state.graded = localStorage.getItem("graded") === "true";
  state.modelShown = localStorage.getItem("model") !== "false";
  document.title = `${state.about.title} — sparsefacs label`;
  at("file").textContent = state.about.file;
  at("coder").textContent = `coder ${state.about.coder}`;
  drawAus(state.about, (place) => run(() => press(place)));
  await run(() => next(""));
}

start().catch(() => alertWith("The program does not answer. Start `sparsefacs label` again."));
