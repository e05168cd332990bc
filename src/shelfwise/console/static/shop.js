// What the pages do by themselves: send events, keep the cart, ask for shelves anew, open the "why this?" sheet.
"use strict";
(() => {
  const { base, now, event: who, key } = document.body.dataset;
  const loadedAt = performance.now();
  const shopTime = () => new Date(Date.parse(now) + performance.now() - loadedAt); // the shop's clock, counted on
  const device = matchMedia("(max-width: 700px)").matches ? "mobile" : "desktop";
  const find = (selector, root = document) => [...root.querySelectorAll(selector)];

  // ---- events

  const randomId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

  async function send(event, items, { placement, ...more } = {}) {
    const headers = { "Content-Type": "application/json", ...(key ? { Authorization: `Bearer ${key}` } : {}) };
    const refused = navigator.globalPrivacyControl ? { consent: "denied" } : {};
    const message = {
      event, event_id: randomId(), occurred_at: shopTime().toISOString(), ...JSON.parse(who), ...refused, items,
      context: { device, ...(placement ? { placement } : {}) }, ...more,
    };
    const answer = await fetch("/v1/events", { method: "POST", keepalive: true, headers, body: JSON.stringify(message) });
    const told = await answer.json();
    if (!answer.ok) throw new Error(`events answered ${answer.status}: ${told.detail}`);
    for (const { field, rule } of told.rejected ?? []) throw new Error(`event rejected: ${field}; expected ${rule}`);
  }

  const quietly = (promise) => promise.catch((trouble) => console.warn(String(trouble)));

  // What an element is about: the product, and the answer that put it there.
  function subject(element) {
    const of = element.closest("[data-item]").dataset;
    const shelf = element.closest("[data-recommendation]");
    const line = { item_id: of.item };
    if (of.price && of.currency) Object.assign(line, { price: Number(of.price), currency: of.currency });
    if (of.position) line.index = Number(of.position);
    const recommendation_id = shelf?.dataset.recommendation || of.from;
    const more = { ...(recommendation_id ? { recommendation_id } : {}), placement: shelf?.dataset.placement };
    return { line, more, title: of.title };
  }

  // ---- the cart, in a cookie that the server reads

  function readCart() {
    const found = document.cookie.split("; ").find((part) => part.startsWith("sw_cart="));
    try { return new Map(JSON.parse(decodeURIComponent(found.slice("sw_cart=".length)))); } catch { return new Map(); }
  }

  function writeCart(cart) {
    const lines = encodeURIComponent(JSON.stringify([...cart]));
    document.cookie = `sw_cart=${lines}; Path=/; Max-Age=${cart.size ? 31536000 : 0}; SameSite=Lax`;
    const pieces = [...cart.values()].reduce((sum, n) => sum + n, 0);
    const count = document.getElementById("count");
    count.textContent = pieces;
    count.hidden = pieces === 0;
    count.closest("a").setAttribute("aria-label", `Cart, ${pieces} pieces`);
  }

  function change(item, by) {
    const cart = readCart();
    const quantity = Math.min((cart.get(item) ?? 0) + by, 99);
    if (quantity > 0) cart.set(item, quantity); else cart.delete(item);
    writeCart(cart);
  }

  // ---- what buttons do

  const actions = {
    select(element) {
      const { line, more } = subject(element);
      quietly(send("select_item", [line], more));
    },
    async add(element) {
      const { line, more, title } = subject(element);
      element.disabled = true;
      change(line.item_id, 1);
      toast(`${title} is in your cart`);
      await quietly(send("add_to_cart", [{ ...line, quantity: 1 }], more));
      element.disabled = false;
      changed(`${title} is in your cart`);
    },
    async buy(element) {
      const { line, more, title } = subject(element);
      element.disabled = true;
      await quietly(send("purchase", [{ ...line, quantity: 1 }], { ...more, order_id: randomId() }));
      element.disabled = false;
      toast(`You bought ${title}`);
      changed(`You bought ${title}`);
    },
    more: (element) => step(element, 1),
    less: (element) => step(element, -1),
    remove: (element) => step(element, -Number(element.closest("[data-quantity]").dataset.quantity)),
    async checkout() {
      const lines = find("[data-quantity]").map((row) => ({ ...subject(row).line, quantity: Number(row.dataset.quantity) }));
      try {
        await send("purchase", lines, { order_id: randomId(), placement: "cart" });
      } catch {
        return toast("The shop cannot take orders right now. Your cart is kept");
      }
      writeCart(new Map());
      sessionStorage.setItem("flash", "Thank you. Your shelves know of it already");
      location.href = `${base}/`;
    },
    why(element) {
      const sheet = document.getElementById("why");
      document.getElementById("why-body").replaceChildren();
      sheet.showModal();
      window.htmx.ajax("GET", `${element.getAttribute("href")}?part=1`, { target: "#why-body", swap: "innerHTML" });
    },
  };

  async function step(element, by) {
    const { line, more } = subject(element);
    change(line.item_id, by);
    const event = by > 0 ? "add_to_cart" : "remove_from_cart";
    await quietly(send(event, [{ ...line, quantity: Math.abs(by) }], { ...more, placement: "cart" }));
    location.reload();
  }

  document.addEventListener("click", (click) => {
    const element = click.target.closest("[data-do]");
    if (click.target.id === "why") click.target.close(); // the backdrop
    if (!element) return;
    const apart = click.ctrlKey || click.metaKey || click.shiftKey || click.button > 0;
    if (element.dataset.do === "why" && !apart) click.preventDefault();
    if (element.dataset.do !== "why" || !apart) actions[element.dataset.do](element);
  });

  // ---- shelves: asked for anew when something happened; what is new on them is shown as new

  const shelves = () => find("[data-shelf]");
  const itemsOf = (shelf) => find("[data-item]", shelf).map((card) => card.dataset.item);
  let before = new Map();
  let said = "";

  function changed(what) {
    said = what;
    before = new Map(shelves().map((shelf) => [shelf.dataset.shelf, new Set(itemsOf(shelf))]));
    document.body.dispatchEvent(new CustomEvent("shop:changed"));
  }

  document.addEventListener("htmx:after:swap", () => {
    let fresh = 0;
    for (const shelf of shelves()) {
      const had = before.get(shelf.dataset.shelf);
      if (!had) continue;
      for (const card of find("[data-item]", shelf)) {
        const isFresh = !had.has(card.dataset.item);
        card.classList.toggle("fresh", isFresh);
        fresh += isFresh;
      }
    }
    if (fresh && said) toast(`${said}. ${fresh} new on your shelves`);
    watch();
  });

  // ---- impressions: an answer counts as seen once half of its first row was on the screen

  const seen = new Set();
  const watcher = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      const { recommendation: recommendation_id, placement } = target.closest("[data-recommendation]").dataset;
      if (!isIntersecting || seen.has(recommendation_id)) continue;
      seen.add(recommendation_id);
      const cards = find("[data-item]", target.closest("[data-recommendation]"));
      quietly(send("view_item_list", cards.map((card) => subject(card).line), { recommendation_id, placement }));
    }
  }, { threshold: 0.5 });

  function watch() {
    for (const shelf of find("[data-recommendation]")) {
      const first = shelf.querySelector("[data-item]");
      if (first && !seen.has(shelf.dataset.recommendation)) watcher.observe(first);
    }
  }

  // ---- small things

  let hiding;
  function toast(text) {
    const place = document.getElementById("toast");
    place.textContent = text;
    place.classList.add("shown");
    clearTimeout(hiding);
    hiding = setTimeout(() => place.classList.remove("shown"), 3200);
  }

  function tick() {
    const clock = document.getElementById("clock");
    const options = { day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", timeZone: "UTC", hourCycle: "h23" };
    clock.textContent = new Intl.DateTimeFormat("en-GB", options).format(shopTime()).replace(" at ", ", ");
  }

  const viewed = document.querySelector("[data-view]");
  if (viewed?.dataset.view === "item") {
    const { line, more } = subject(viewed);
    quietly(send("view_item", [line], more));
  }
  if (viewed?.dataset.view === "search") quietly(send("search", [], { query: viewed.dataset.query }));
  const flash = sessionStorage.getItem("flash");
  if (flash) { sessionStorage.removeItem("flash"); toast(flash); }
  setInterval(tick, 10_000);
  watch();
})();
