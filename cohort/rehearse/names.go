package rehearse

import (
	"math/rand/v2"
	"strings"
)

// Family names with their rough share in per mille, and syllables that given
// names of the 1960s are made of. Together they make names, not persons.
const familyNames = "김 215 이 147 박 84 최 47 정 43 강 24 조 21 윤 21 장 20 임 17 한 15 오 15 서 15 신 15 권 14 황 14 안 14 송 14 전 11 홍 11 유 10 고 10 문 9 양 9 손 9 배 8 백 8 허 7 남 6 심 6 노 6 하 5 곽 4 성 4 차 4 주 4 우 4 구 4 민 4 류 3 나 3 진 3 지 3 엄 3 채 3 원 3 천 3 방 3 공 2 현 2"

const (
	firstSyllables = "영 정 미 경 은 현 순 명 성 재 상 종 동 진 혜 선 희 인 병 승 태 광 기 용 창 수 숙 옥 춘 주 지 민 석 규 윤 덕 남 금 화 연"
	lastSyllables  = "숙 희 자 미 란 경 옥 순 애 수 호 철 식 환 훈 석 규 진 선 연 주 아 정 은 화 례 택 근 섭 곤 범 일 만 열 국 현 민 영 준 태"
)

func koreanName(r *rand.Rand) string {
	first, last := strings.Fields(firstSyllables), strings.Fields(lastSyllables)
	for {
		a, b := first[r.IntN(len(first))], last[r.IntN(len(last))]
		if a != b {
			return familyName(r) + a + b
		}
	}
}

func familyName(r *rand.Rand) string {
	f := strings.Fields(familyNames)
	total := 0
	for i := 1; i < len(f); i += 2 {
		total += atoi(f[i])
	}
	x := r.IntN(total)
	for i := 0; i < len(f); i += 2 {
		if x -= atoi(f[i+1]); x < 0 {
			return f[i]
		}
	}
	return f[0]
}

func atoi(s string) int {
	n := 0
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}
