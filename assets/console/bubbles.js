// What is inside a bubble: words with their links, and media. A medium lies elsewhere, and this page asks nobody else for anything: it is
// shown as a card that leads there.

import { html } from './preact.js';
import { Icon } from './parts.js';

const LINK = /(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)])/g;

export const Words = ({ text }) => html`<p class="words">${text.split(LINK).map((part, index) => (index % 2
  ? html`<a href=${part} target="_blank" rel="noopener noreferrer">${part}</a>` : part))}</p>`;

function nameOf(url) {
  try {
    const { hostname, pathname } = new URL(url);
    return [pathname.split('/').filter(Boolean).at(-1) ?? hostname, hostname];
  } catch {
    return [url, ''];
  }
}

export const Attachments = ({ urls }) => urls?.map((url) => {
  const [name, host] = nameOf(url);
  return html`<a key=${url} class="attachment" href=${/^https?:/.test(url) ? url : null} target="_blank" rel="noopener noreferrer">
    <${Icon} name="image" /><span><b>${name}</b><small>${host}</small></span>
  </a>`;
});
