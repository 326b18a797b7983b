// The picture: a part of the field around a point.

import type { Place } from './motion';

export const FIELD = 2000;
const COLORS = [
  '#ff6b6b',
  '#ffd166',
  '#06d6a0',
  '#4cc9f0',
  '#b388ff',
  '#f78fb3',
  '#9bde7e',
  '#ffa94d',
];
const GRID = 100;
const FOOD_RADIUS = 5;
const VIEW = 900;

export type DrawnBody = Place & {
  id: bigint;
  name: string;
  color: number;
  isMine: boolean;
  isSafe: boolean;
};
export type DrawnFood = { x: number; y: number; color: number };

export const radiusOf = (mass: number): number => 4 * Math.sqrt(mass);

export function draw(
  canvas: HTMLCanvasElement,
  center: { x: number; y: number },
  foods: Iterable<DrawnFood>,
  bodies: DrawnBody[]
): void {
  const ratio = devicePixelRatio;
  const width = Math.round(canvas.clientWidth * ratio);
  const height = Math.round(canvas.clientHeight * ratio);
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  const pen = canvas.getContext('2d')!;
  const scale = Math.max(width, height) / VIEW;
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.fillStyle = '#10131a';
  pen.fillRect(0, 0, width, height);
  pen.setTransform(scale, 0, 0, scale, width / 2 - center.x * scale, height / 2 - center.y * scale);
  drawGrid(pen);
  // What is out of sight costs nothing.
  const [sightX, sightY] = [width / 2 / scale, height / 2 / scale];
  const isSeen = (x: number, y: number, radius: number): boolean =>
    Math.abs(x - center.x) < sightX + radius && Math.abs(y - center.y) < sightY + radius;
  for (const { x, y, color } of foods) {
    if (!isSeen(x, y, FOOD_RADIUS)) {
      continue;
    }
    pen.fillStyle = COLORS[color % COLORS.length]!;
    pen.beginPath();
    pen.arc(x, y, FOOD_RADIUS, 0, 2 * Math.PI);
    pen.fill();
  }
  const seen = bodies.filter(body => isSeen(body.x, body.y, radiusOf(body.mass)));
  // The own body is above all others: it is never lost among them.
  seen.sort((a, b) => Number(a.isMine) - Number(b.isMine) || a.mass - b.mass);
  for (const body of seen) {
    drawBody(pen, body);
  }
}

function drawGrid(pen: CanvasRenderingContext2D): void {
  pen.fillStyle = '#151a24';
  pen.fillRect(0, 0, FIELD, FIELD);
  pen.strokeStyle = '#222a38';
  pen.lineWidth = 1;
  pen.beginPath();
  for (let at = 0; at <= FIELD; at += GRID) {
    pen.moveTo(at, 0);
    pen.lineTo(at, FIELD);
    pen.moveTo(0, at);
    pen.lineTo(FIELD, at);
  }
  pen.stroke();
  pen.strokeStyle = '#4a5875';
  pen.lineWidth = 4;
  pen.strokeRect(0, 0, FIELD, FIELD);
}

function drawBody(pen: CanvasRenderingContext2D, body: DrawnBody): void {
  const radius = radiusOf(body.mass);
  pen.fillStyle = COLORS[body.color % COLORS.length]!;
  pen.strokeStyle = body.isMine ? '#ffffff' : 'rgb(0 0 0 / 35%)';
  pen.lineWidth = body.isMine ? 3 : 2;
  pen.beginPath();
  pen.arc(body.x, body.y, radius, 0, 2 * Math.PI);
  // Who cannot be eaten yet is seen through.
  pen.globalAlpha = body.isSafe ? 0.5 : 1;
  pen.fill();
  pen.globalAlpha = 1;
  pen.stroke();
  pen.fillStyle = '#0b0d12';
  pen.font = `600 ${Math.max(8, radius * 0.45)}px system-ui, sans-serif`;
  pen.textAlign = 'center';
  pen.textBaseline = 'middle';
  pen.fillText(body.name, body.x, body.y, radius * 1.8);
}
