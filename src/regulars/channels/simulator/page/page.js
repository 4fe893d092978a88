// Asks four times a second what has changed, and says and presses what the person at the page does.
"use strict";

const EVERY_MS = 250;
// Whose phones were picked stands in the address, so that a page can be kept and sent on.
const picked = decodeURIComponent(location.hash.slice(1)).split("\n").filter(Boolean);
const state = { version: "", had: "", pick: picked };
const byId = (id) => document.getElementById(id);

function notice(text) {
  const element = byId("notice");
  element.textContent = text;
  element.hidden = !text;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => { element.hidden = true; }, 5000);
}

async function control(name, body) {
  const answer = await fetch("/_control/" + name, { method: "POST", body: JSON.stringify(body) });
  const told = await answer.json();
  if (!answer.ok) notice(told.message);
  return answer.ok ? told : null;
}

function whoseIs(element) {
  const [channel, account, ...id] = element.closest(".phone").dataset.key.split("/");
  return { channel, account, id: id.join("/") };
}

function counter(label, english, value, tone) {
  const group = document.createElement("div");
  if (tone) group.className = tone;
  const term = document.createElement("dt");
  const small = document.createElement("small");
  small.textContent = english;
  term.append(label + " ", small);
  const told = document.createElement("dd");
  told.textContent = value;
  group.append(term, told);
  return group;
}

function showCounters(counters) {
  const shown = counters.quotas.map((one) => {
    const full = one.quota !== null && one.used >= one.quota;
    const value = one.used.toLocaleString() + " / " + (one.quota === null ? "∞" : one.quota.toLocaleString());
    return counter("本月用量", "LINE · " + one.account, value, full ? "bad" : "");
  });
  shown.push(counter("收到請求", "requests", counters.requests.toLocaleString()));
  for (const [outcome, count] of Object.entries(counters.outcomes)) {
    if (outcome !== "accepted") shown.push(counter(outcome, "", count.toLocaleString(), "warn"));
  }
  const faults = Object.entries(counters.faults).map(([name, value]) => name + " " + value).join(", ");
  shown.push(counter("故障", "faults", faults || "無 none", faults ? "bad" : ""));
  if (counters.replies_lost) shown.push(counter("遺失回覆", "replies lost", counters.replies_lost, "warn"));
  if (counters.webhooks_waiting) shown.push(counter("待送事件", "webhooks waiting", counters.webhooks_waiting, "warn"));
  shown.push(counter("時間", "clock", counters.now.replace("T", " ").slice(0, 19) + "Z"));
  byId("counters").replaceChildren(...shown);
}

function showPeople(people) {
  byId("people").replaceChildren(...people.map((one) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.key = one.key;
    button.className = one.channel + (state.pick.includes(one.key) ? " picked" : "") + (one.blocked ? " blocked" : "");
    const badge = document.createElement("small");
    badge.textContent = (one.channel === "line" ? "LINE" : "Telegram") + " · " + one.account + " · " + one.received + " 則";
    button.append(one.name, badge);
    item.append(button);
    return item;
  }));
}

function showPhones(html) {
  const phones = byId("phones");
  const typed = {};
  for (const phone of phones.querySelectorAll(".phone")) {
    const input = phone.querySelector(".say input");
    typed[phone.dataset.key] = { text: input.value, focused: document.activeElement === input };
  }
  phones.innerHTML = html;
  for (const phone of phones.querySelectorAll(".phone")) {
    const talk = phone.querySelector(".talk");
    talk.scrollTop = talk.scrollHeight;
    const before = typed[phone.dataset.key];
    if (before) {
      const input = phone.querySelector(".say input");
      input.value = before.text;
      if (before.focused) input.focus();
    }
  }
}

async function look() {
  const pick = state.pick.join("\n");
  const query = new URLSearchParams({ since: state.version, had: state.had, pick });
  try {
    const told = await (await fetch("/phones?" + query)).json();
    showCounters(told.counters);
    if ("phones" in told) {
      state.version = told.version;
      state.had = pick;
      showPhones(told.phones);
      showPeople(told.people);
    }
  } catch (error) {
    notice("模擬器沒有回應 The simulator does not answer");
  }
  setTimeout(look, EVERY_MS);
}

document.addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = event.target.elements.text;
  const text = input.value.trim();
  if (!text) return;
  input.value = "";
  await control("say", { ...whoseIs(input), text });
});

document.addEventListener("click", async (event) => {
  const pressed = event.target.closest("[data-action]");
  if (pressed) {
    const row = pressed.closest(".row");
    const body = { ...whoseIs(pressed), action: JSON.parse(pressed.dataset.action) };
    if (row) body.message = row.dataset.message;
    const told = await control("press", body);
    if (told && told.url) notice("開啟 opens " + told.url);
    return;
  }
  const deed = event.target.closest("[data-deed]");
  if (deed) await control(deed.dataset.deed, whoseIs(deed));
  const person = event.target.closest("#people button");
  if (person) {
    const key = person.dataset.key;
    state.pick = state.pick.includes(key) ? state.pick.filter((one) => one !== key) : [...state.pick, key];
    state.version = "";
    history.replaceState(null, "", "#" + encodeURIComponent(state.pick.join("\n")));
  }
});

look();
